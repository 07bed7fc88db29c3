import { expect, test } from 'vitest';
import { splitSettings } from '../../src/db/session-settings.ts';

test.each([
  ['postgres://u:p@h:5432/d', 'postgres://u:p@h:5432/d', {}],
  [
    'postgres://u@h/d?statement_timeout=5000&lock_timeout=1s&keep=1&idle_in_transaction_session_timeout=9',
    'postgres://u@h/d?keep=1',
    { statement_timeout: '5000', lock_timeout: '1s', idle_in_transaction_session_timeout: '9' },
  ],
  [
    'postgres://u@h/d?options=-c%20role%3Dsomebody%20-c%20search_path%3Da%2Cb%20--extra-float-digits%3D1',
    'postgres://u@h/d',
    { search_path: 'a,b', extra_float_digits: '1', role: 'somebody' },
  ],
  // Providers find the right server by these.
  [
    'postgres://u@h/d?options=endpoint%3Dep-1&statement_timeout=5',
    'postgres://u@h/d?options=endpoint%3Dep-1',
    { statement_timeout: '5' },
  ],
  ['/run/postgresql database', '/run/postgresql database', {}],
])('%s', (given, connectionString, settings) => {
  expect(splitSettings(given)).toEqual({ connectionString, settings });
});

test('a role comes last, since it may not be allowed the other settings', () => {
  const { settings } = splitSettings('postgres://u@h/d?options=-c%20role%3Da%20-c%20b.c%3D1&lock_timeout=5');
  expect(Object.keys(settings)).toEqual(['b.c', 'lock_timeout', 'role']);
});
