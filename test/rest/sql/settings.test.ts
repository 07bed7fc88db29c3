import { describe, expect, test } from 'vitest';
import type { CallAction, ReadAction } from '../../../src/rest/plan/plan.ts';
import { preRequestStatement, requestSettings } from '../../../src/rest/sql/settings.ts';
import type { SettingsSource } from '../../../src/rest/sql/settings.ts';
import { libraryOptions } from './library-database.ts';

const preferences: SettingsSource['request']['preferences'] = {
  resolution: null,
  representation: null,
  count: null,
  transaction: null,
  missing: null,
  handling: null,
  timezone: null,
  maxAffected: null,
  invalid: [],
};

function source(more: Partial<SettingsSource> = {}): SettingsSource {
  return {
    raw: { method: 'GET', path: '/books', headers: { accept: '*/*', cookie: 'a=1; b=x=y;c; a=2' } },
    request: { schema: 'li"brary', preferences },
    plan: null,
    options: {
      extraSearchPath: ['public', 'ext'],
      appSettings: [['app.settings.one', '1']],
      hoistedSettings: [],
    },
    requester: { role: 'web', 'request.jwt.claims': '{"role":"web"}', 'app.tenant_id': 't' },
    roleSettings: undefined,
    ...more,
  };
}

const call = (readOnly: boolean, settings: readonly (readonly [string, string])[] = []) =>
  ({ kind: 'call', readOnly, callPlan: { routine: { settings } } }) as unknown as CallAction;

describe('the settings of a request', () => {
  test('state the search path, the requester and the request', () => {
    expect(requestSettings(source())).toEqual({
      search_path: '"li""brary", "public", "ext"',
      role: 'web',
      'request.jwt.claims': '{"role":"web"}',
      'app.tenant_id': 't',
      'request.method': 'GET',
      'request.path': '/books',
      'request.headers': '{"accept":"*/*"}',
      'request.cookies': '{"a":"2","b":"x=y","c":""}',
      'app.settings.one': '1',
      transaction_read_only: 'on',
    });
  });

  test("are in order: the role's settings before the role, the function's after the caller's preferences", () => {
    const settings = requestSettings(
      source({
        request: { schema: 's', preferences: { ...preferences, timezone: 'Europe/Zurich' } },
        roleSettings: { isolationLevel: null, settings: [['statement_timeout', '5s']] },
        plan: call(false, [
          ['work_mem', '8MB'],
          ['Lock_Timeout', '3s'],
        ]),
        options: {
          extraSearchPath: [],
          appSettings: [['app.settings.one', '1']],
          hoistedSettings: ['lock_timeout'],
        },
      }),
    );
    expect(Object.keys(settings)).toEqual([
      'search_path',
      'statement_timeout',
      'role',
      'request.jwt.claims',
      'app.tenant_id',
      'request.method',
      'request.path',
      'request.headers',
      'request.cookies',
      'timezone',
      'Lock_Timeout',
      'app.settings.one',
    ]);
    expect(settings).toMatchObject({ timezone: 'Europe/Zurich', Lock_Timeout: '3s' });
  });

  test('allow only writes to write', () => {
    const readOnly = (plan: SettingsSource['plan']) =>
      requestSettings(source({ plan }))['transaction_read_only'];
    expect(readOnly({ kind: 'read' } as ReadAction)).toBe('on');
    expect(readOnly(call(true))).toBe('on');
    expect(readOnly(call(false))).toBeUndefined();
    expect(readOnly({ kind: 'mutate' } as unknown as SettingsSource['plan'])).toBeUndefined();
  });

  test('include cookies and headers even when there are none', () => {
    const raw = { method: 'HEAD', path: '/', headers: {} };
    expect(requestSettings(source({ raw }))).toMatchObject({
      'request.headers': '{}',
      'request.cookies': '{}',
    });
  });
});

test('the pre-request function is called by its quoted name', () => {
  const statement = preRequestStatement({ schema: 'a"b', name: 'check' }, libraryOptions);
  expect(statement).toEqual({ text: 'select "a""b"."check"()', values: [], prepare: true });
});
