import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { line } from '../status-line.ts';
import type { StatusLine } from '../status-line.ts';

/** A removal that waits longer than this needs an operator's attention. */
const longWaitMs = 3_600_000;

/** How far ahead partitions are made, and the sessions that the removal of old ones waits for. */
export async function partitionsStatus(executor: Executor): Promise<StatusLine[]> {
  const { rows: horizons } = await executor.query<{ parent: string; days: number; short: boolean }>(sql`
    select parent, coalesce(floor(extract(epoch from ahead) / 86400), 0)::int as days, short
    from ops.partition_horizons order by ahead nulls first`);
  const [nearest] = horizons;
  const { rows: waits } = await executor.query<{
    partition: string;
    waiting_since: Date;
    pid: number;
    login: string;
    transaction_since: Date | null;
    query_since: Date | null;
  }>(sql`select * from ops.removal_waits`);
  const at = (time: Date | null) => (time === null ? 'an unknown time' : time.toISOString().slice(0, 19));
  return [
    line(
      'partitions',
      horizons.length > 0 && horizons.every(({ short }) => !short),
      nearest === undefined ? 'none' : `${nearest.parent} has the fewest ahead: ${nearest.days} days`,
      'lightning migrate makes them, and so does lightning work every hour',
    ),
    ...waits.map(({ partition, waiting_since, pid, login, transaction_since, query_since }) =>
      line(
        'retention',
        Date.now() - waiting_since.getTime() < longWaitMs,
        `${partition} has been waiting since ${at(waiting_since)} for ${login} (pid ${pid}): transaction since ${at(
          transaction_since,
        )}, statement since ${at(query_since)}`,
        `wait until it ends, or end it: select pg_terminate_backend(${pid})`,
      ),
    ),
  ];
}
