import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { millisecondsOf } from '../../src/db/duration.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';

const taken =
  '0|500| 1.5s |1.5 min|90s|2 min|1h|1d|+5|1.|.5s|007|010|0x10|0X1fs|1e3|1E3|1e3s|1.5e-1s|0010.5'.split('|');
const rounded = ['500us', '501us', '1500us', '2500us', '0.4', '0.6', '1.5', '2.5'];
const refused = '| |soon|1 sec|1S|1 MIN|5 m|-1|1 s s|1,5s|08.5|09e1|019|1e|1e999|99999999999|1_000|NaN'.split(
  '|',
);

describe.each(apiTargets)(
  'a time among the settings, as Postgres takes it, on the %s database',
  (_kind, open) => {
    let target: ApiTarget;
    beforeAll(async () => {
      target = await open();
    });
    afterAll(() => target?.close());

    test.each([...taken, ...rounded, ...refused])('%j', async (text) => {
      const postgres = await target.admin
        .query("select set_config('lock_timeout', $1, false)", [text])
        .then(() => target.admin.query("select setting from pg_settings where name = 'lock_timeout'"))
        .then(
          ({ rows }) => Number(rows[0].setting),
          () => null,
        );
      await target.admin.query('reset lock_timeout');
      const found = millisecondsOf(text);
      // Postgres has an upper bound, too, which nobody has to know here.
      const outOfRange = postgres === null && (found ?? 0) > 2_147_483_647;
      expect(outOfRange ? null : found).toBe(postgres);
    });
  },
);
