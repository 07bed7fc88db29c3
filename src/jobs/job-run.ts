import { hostname } from 'node:os';
import { DatabaseError } from 'pg';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import { keepLease } from './run-lease.ts';

/** A job that is about to run. */
export interface JobToRun {
  readonly task: string;
  /** At most one run with this name lives at a time, across all processes. */
  readonly lock?: string;
  /** The subject of the run. Operators can see it, so it must not contain secrets. */
  readonly details?: object;
  /** Name of the process that runs it. Default: `host:pid`. */
  readonly worker?: string;
  /** Id of the job in graphile-worker. */
  readonly jobId?: string;
  /**
   * Ends the run from outside; its reason is an error whose message says who asked. The work sees it in
   * `run.signal`.
   */
  readonly signal?: AbortSignal;
  /**
   * Time after its last sign of life at which the run counts as dead. Default: one minute. The lease is renewed
   * three times in it.
   */
  readonly leaseMs?: number;
}

/** A run, seen from its work. */
export interface JobRun {
  /**
   * Aborted when the work has to end: on request, or because its lease was lost (RunLost) and another run may
   * be doing the same.
   */
  readonly signal: AbortSignal;
  /**
   * Reports the finished fraction, from 0 to 1 (null: unknown), and the current step. Can be called often: it
   * is written once a second.
   */
  progress(fraction: number | null, note: string): void;
  /** Marks a run that had nothing to do. Only the newest such run is kept. */
  idle(): void;
}

/** Another run holds the lock. The message names the lock, its holder, and since when it has been held. */
export class JobBusy extends OperationalError {
  override name = 'JobBusy';
}

/**
 * The run was taken for dead, or could not renew its lease in time. Another run may have done the same work as
 * well.
 */
export class RunLost extends OperationalError {
  override name = 'RunLost';
}

/** The run ended early because it was asked to (`JobToRun.signal`). The message is that of the signal's reason. */
export class RunStopped extends OperationalError {
  override name = 'RunStopped';
}

/**
 * Runs `work` and records it in ops.job_runs: start, progress and outcome. With `lock` it is the only live run
 * of that name. The executor must commit each statement by itself (a transaction would hide the progress), as a
 * role that may call ops.begin_run: the worker or the owner.
 *
 * Rejects with the error of `work`; with RunStopped when `work` ended early because of `signal`; with JobBusy before
 * it begins; and with RunLost when the run was taken for dead in the meantime, whatever `work` returned.
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
  } catch (raised) {
    const error = job.signal?.aborted ? asStop(raised, job.signal.reason) : raised;
    const news = await lease.stop();
    // If the end cannot be recorded, the run is taken for dead later. The caller gets the original error, not
    // this one.
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

/**
 * RunStopped for an error that the abort caused, by itself or as the cause of another; any other error stays as it
 * is, because work may also fail while it is being stopped.
 */
function asStop(error: unknown, reason: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause === reason || cause.name === 'AbortError') {
      return new RunStopped(messageOf(reason), { cause: error });
    }
  }
  return error;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)) || 'it failed without a message';
}
