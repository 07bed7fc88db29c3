import { describe, expect, test } from 'vitest';
import type { RestOptions } from '../../src/rest/options.ts';
import { planRequest } from '../../src/rest/plan/plan-request.ts';
import { transactionMode } from '../../src/rest/transaction-mode.ts';
import type { RoleSettings } from '../../src/schema-cache/schema-cache.ts';
import { films } from './plan/films.ts';
import { requestOf, restOptions } from './request/request-of.ts';

function modeOf(
  line: string,
  transactionEnd: RestOptions['transactionEnd'],
  prefer = '',
  roleSettings?: RoleSettings,
) {
  const options = { ...restOptions, schemas: ['api'], transactionEnd };
  const request = requestOf(line, { headers: { prefer }, body: '{}' }, options);
  const plan = planRequest(request, films, options);
  if (plan.kind === 'describe' || plan.kind === 'options') throw new Error(plan.kind);
  return transactionMode(plan, request, roleSettings, options);
}

const back = { isolationLevel: null, end: 'rollback' };

describe('a transaction', () => {
  test.each<[RestOptions['transactionEnd'], string, object | undefined]>([
    ['commit', '', undefined],
    ['commit', 'tx=rollback', undefined],
    ['commit-allow-override', '', undefined],
    ['commit-allow-override', 'tx=commit', undefined],
    ['commit-allow-override', 'tx=rollback', back],
    ['rollback', '', back],
    ['rollback', 'tx=commit', back],
    ['rollback-allow-override', '', back],
    ['rollback-allow-override', 'tx=commit', undefined],
    ['rollback-allow-override', 'tx=rollback', back],
  ])('under %s with "%s" has the mode %o', (end, prefer, mode) => {
    expect(modeOf('GET /films', end, prefer)).toEqual(mode);
    expect(modeOf('POST /rpc/clear_films', end, prefer)).toEqual(mode);
  });

  test('has the isolation level of its role', () => {
    const role: RoleSettings = { isolationLevel: 'serializable', settings: [] };
    const expected = { isolationLevel: 'serializable', end: 'commit' };
    expect(modeOf('GET /films', 'commit', '', role)).toEqual(expected);
    expect(modeOf('GET /rpc/all_films', 'commit', '', role)).toEqual(expected);
  });
});
