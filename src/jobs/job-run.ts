import { hostname } from 'node:os';
import { DatabaseError } from 'pg';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import { keepLease } from './run-lease.ts';

/** What is about to run. */
export interface JobToRun {
  readonly task: string;
  /** Only one run of this name lives at a time, in all processes. */
  readonly lock?: string;
  /** What about; shown to operators, so no secrets. */
  readonly details?: object;
  /** Who runs it; by default `host:pid`. */
  readonly worker?: string;
  /** Of graphile-worker. */
  readonly jobId?: string;
  /** Ends it from outside; the work sees it in `run.signal`. */
  readonly signal?: AbortSignal;
  /** How long after its last sign of life it is taken for dead. Default a minute; it is renewed three times in it. */
  readonly leaseMs?: number;
}

/** A run, as its work sees it. */
export interface JobRun {
  /** The work has to end: it was asked to, or its lease was lost (RunLost) and somebody else may be at the same. */
  readonly signal: AbortSignal;
  /** How much is done, from 0 to 1 (null: unknown), and what it is at. Can be called often: it is written once a second. */
  progress(fraction: number | null, note: string): void;
  /** There was nothing to do: of such runs only the newest is kept. */
  idle(): void;
}

/** Another run holds the lock; the message says which, whose, and since when. */
export class JobBusy extends OperationalError {
  override name = 'JobBusy';
}

/** The run was taken for dead, or could not renew its lease in time. What it did may have been done by another one too. */
export class RunLost extends OperationalError {
  override name = 'RunLost';
}

/**
 * Runs `work` and records it in ops.job_runs: when, how far, and what came of it. With `lock` it is the only one of that
 * name. The executor commits each statement by itself (never a transaction: nobody would see the progress), as a role that
 * may call ops.begin_run: the worker, or the owner.
 *
 * Rejects with what `work` rejects with; with JobBusy before it began; with RunLost when it was taken for dead meanwhile,
 * whatever `work` gave.
 */
export async function recordRun<T>(
  database: Executor,
  job: JobToRun,
  work: (run: JobRun) => Promise<T>,
): Promise<T> {
  const { leaseMs = 60_000 } = job;
  const id = await beginRun(database, job, leaseMs);
  const lost = new AbortController();
  const lease = keepLease({
    leaseMs,
    renew: (news) => renewRun(database, id, leaseMs, news?.fraction ?? null, news?.note ?? null),
    onLost: (reason) => lost.abort(new RunLost(`run ${id} of ${job.task} is lost: ${reason}`)),
  });
  let idle = false;
  let result: T;
  try {
    result = await work({
      signal: job.signal ? AbortSignal.any([lost.signal, job.signal]) : lost.signal,
      progress: (fraction, note) => lease.report({ fraction, note }),
      idle: () => {
        idle = true;
      },
    });
  } catch (error) {
    const news = await lease.stop();
    // That it cannot be written down is not the news; the run is taken for dead then.
    await lease
      .insist(() => endRun(database, id, messageOf(error), news?.note ?? null, false))
      .catch(() => {});
    throw lost.signal.aborted ? lost.signal.reason : error;
  }
  const news = await lease.stop();
  const ended = await lease.insist(() => endRun(database, id, null, news?.note ?? null, idle));
  if (!ended) {
    throw lost.signal.aborted
      ? lost.signal.reason
      : new RunLost(`run ${id} of ${job.task} is lost: it was taken for dead before it ended`);
  }
  return result;
}

async function beginRun(database: Executor, job: JobToRun, leaseMs: number): Promise<string> {
  const { task, lock = null, details = {}, worker = `${hostname()}:${process.pid}`, jobId = null } = job;
  try {
    const { rows } = await database.query<{ id: string }>(sql`
      select ops.begin_run(
        ${task}, ${worker}, ${`${leaseMs} milliseconds`}::interval, ${lock}, ${JSON.stringify(details)}::jsonb, ${jobId}::bigint
      ) as id`);
    return rows[0]!.id;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === 'LTJ01')
      throw new JobBusy(error.message, { cause: error });
    throw error;
  }
}

async function renewRun(
  database: Executor,
  id: string,
  leaseMs: number,
  fraction: number | null,
  note: string | null,
): Promise<boolean> {
  const { rows } = await database.query<{ alive: boolean }>(sql`
    select ops.renew_run(${id}::bigint, ${`${leaseMs} milliseconds`}::interval, ${fraction}::float8, ${note}) as alive`);
  return rows[0]?.alive ?? false;
}

async function endRun(
  database: Executor,
  id: string,
  error: string | null,
  note: string | null,
  idle: boolean,
): Promise<boolean> {
  const { rows } = await database.query<{ ended: boolean }>(
    sql`select ops.end_run(${id}::bigint, ${error}, ${note}, ${idle}) as ended`,
  );
  return rows[0]?.ended ?? false;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)) || 'it failed without a message';
}
