import { describe, expect, test } from 'vitest';
import { parsePreferences } from '../../../src/rest/request/preferences.ts';
import type { Preferences } from '../../../src/rest/request/query.ts';

const none: Preferences = {
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

describe('Prefer', () => {
  test.each<[header: string, stated: Partial<Preferences>]>([
    ['resolution=merge-duplicates', { resolution: 'merge-duplicates' }],
    ['resolution=ignore-duplicates', { resolution: 'ignore-duplicates' }],
    ['return=representation', { representation: 'full' }],
    ['return=minimal', { representation: 'minimal' }],
    ['return=headers-only', { representation: 'headers-only' }],
    ['count=exact', { count: 'exact' }],
    ['count=planned', { count: 'planned' }],
    ['count=estimated', { count: 'estimated' }],
    ['tx=rollback', { transaction: 'rollback' }],
    ['missing=default', { missing: 'default' }],
    ['missing=null', { missing: 'null' }],
    ['handling=strict', { handling: 'strict' }],
    ['handling=lenient', { handling: 'lenient' }],
    ['timezone=America/Los_Angeles', { timezone: 'America/Los_Angeles' }],
    ['max-affected=100', { maxAffected: 100 }],
    ['max-affected=many', {}],
    ['tx=commit, tx=rollback', { transaction: 'commit' }],
    [
      'count=exact,    tx=commit   ,return=representation , missing=default, handling=strict, anything',
      {
        count: 'exact',
        transaction: 'commit',
        representation: 'full',
        missing: 'default',
        handling: 'strict',
        invalid: ['anything'],
      },
    ],
    ['count=none, return=Minimal, else', { invalid: ['count=none', 'return=Minimal', 'else'] }],
    ['', {}],
  ])('%s', (header, stated) => {
    expect(parsePreferences(header, true)).toEqual({ ...none, ...stated });
  });

  test('states nothing when it is absent', () => {
    expect(parsePreferences(undefined, true)).toEqual(none);
  });

  test('cannot end the transaction where that may not be overridden, and an attempt is not an error', () => {
    expect(parsePreferences('tx=rollback', false)).toEqual(none);
  });
});
