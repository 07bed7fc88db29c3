import { setTimeout as pause } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { OnProgress } from '../on-progress.ts';
import { OperationalError } from '../operational-error.ts';

/** A stop of all writes, as ops.stopped_writes has it. */
export interface WriteStop {
  /** A new one for each stop. */
  readonly id: string;
  readonly reason: string;
  /** When the last table was stopped; of a stop that has only begun, when it did. ISO 8601, UTC. */
  readonly stoppedAt: string;
}

/** Writes could not be stopped or started in time, because other transactions keep a table. Writes are as they were before. */
export class WritersStay extends OperationalError {
  override name = 'WritersStay';
}

/** How to wait for transactions that write. */
export interface WaitOptions {
  /** Time after which it gives up with WritersStay. */
  readonly withinMs: number;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Stops every write of data, table by table, and waits for transactions that are writing. When it returns, what was acknowledged before is stored, and nothing else will
 * be. Returns the stop, and the tables of other owners that go on taking writes. A stop that is there already is returned, or brought to its
 * end. `owner` runs as the owner, each statement in a transaction of its own.
 */
export async function stopWrites(
  owner: Executor,
  reason: string,
  options: WaitOptions,
): Promise<{ readonly stop: WriteStop; readonly notStopped: readonly string[] }> {
  await owner.query(sql`select from app_private.begin_stop(${reason})`);
  try {
    while ((await owner.query(sql`select from app_private.end_stop()`)).rows.length === 0) {
      if ((await readStop(owner)) === null)
        throw new OperationalError('another operator has let writes in again meanwhile; nothing is stopped');
      for (const { name } of await tablesOfData(owner, 'going on'))
        await untilFree(owner, options, () =>
          owner.query(sql`select from app_private.stop_writes_to(${name}::regclass)`),
        );
    }
  } catch (error) {
    // Half a stop helps nobody.
    await startWrites(owner, options).catch(() => {});
    throw error;
  }
  const stop = await readStop(owner);
  if (stop === null) throw new OperationalError('another operator has let writes in again meanwhile');
  const others = await tablesOfData(owner, 'not ours');
  return { stop, notStopped: others.map(({ name }) => name) };
}

async function tablesOfData(
  owner: Executor,
  which: 'going on' | 'not ours',
): Promise<readonly { readonly name: string }[]> {
  const { rows } = await owner.query<{ name: string }>(sql`
    select t.relation::text as name
    from app_private.tables_of_data() t
    where case when ${which} = 'going on' then t.stoppable and not t.stopped else not t.stoppable end
    order by 1`);
  return rows;
}

/** Lets writes in again. Returns the stop that has ended; null: there was none. */
export async function startWrites(owner: Executor, options: WaitOptions): Promise<WriteStop | null> {
  return untilFree(owner, options, async () => {
    const { rows } = await owner.query<WriteStop>(sql`
      select s.id, s.reason, to_char(coalesce(s.stopped_at, s.begun_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "stoppedAt"
      from app_private.start_writes() s`);
    return rows[0] ?? null;
  });
}

/** The stop that is in force; null: writes go on. */
export async function readStop(owner: Executor): Promise<WriteStop | null> {
  const { rows } = await owner.query<WriteStop>(sql`
    select s.id, s.reason, to_char(coalesce(s.stopped_at, s.begun_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "stoppedAt"
    from ops.stopped_writes s`);
  return rows[0] ?? null;
}

/** Between two tries others have their turn: those who wait behind the locks of a try. */
const pauseMs = 300;

async function untilFree<T>(owner: Executor, options: WaitOptions, work: () => Promise<T>): Promise<T> {
  const { withinMs, onProgress, signal } = options;
  const until = performance.now() + withinMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== '55P03') throw error;
      const who = await writers(owner);
      if (performance.now() >= until) {
        throw new WritersStay(
          `other transactions keep a table for more than ${withinMs / 1000} s, and nothing was changed: ${who}. Wait for them or end them, and try again`,
          { cause: error },
        );
      }
      onProgress(null, `waiting for transactions that write: ${who}`);
      await pause(pauseMs, undefined, { signal });
    }
  }
}

/** Who holds locks of writers, for people: the five oldest transactions. */
async function writers(owner: Executor): Promise<string> {
  const { rows } = await owner.query<{ who: string }>(sql`
    select format('process %s of login %s, in a transaction since %s', a.pid, a.usename, to_char(a.xact_start at time zone 'UTC', 'HH24:MI:SS')) as who
    from pg_catalog.pg_stat_activity a
    where a.pid <> pg_catalog.pg_backend_pid() and a.datname = pg_catalog.current_database() and exists (
      select
      from pg_catalog.pg_locks l
      join app_private.tables_of_data() t on t.relation = l.relation
      where l.pid = a.pid and l.granted and l.mode not in ('AccessShareLock', 'RowShareLock')
    )
    order by a.xact_start
    limit 5`);
  return rows.length === 0 ? 'they have just ended' : rows.map(({ who }) => who).join('; ');
}
