import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { PayloadError } from '../jobs/payload.ts';
import { jobs } from '../jobs/registry.ts';
import type { CommandContext } from './command-context.ts';
import { asReader, asWorker } from './database-access.ts';
import { databaseVariables, explain } from './explain.ts';
import { exitStatus } from './exit-status.ts';
import { printListing, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { UsageError } from './usage-error.ts';

/** A job in the queue, as ops.jobs shows it: the worker reports it every 15 seconds. */
export interface QueuedJob {
  readonly id: string;
  readonly task: string;
  readonly state: 'waiting' | 'running' | 'failed';
  readonly due_at: Date;
  readonly attempts: number;
  readonly max_attempts: number;
  readonly last_error: string | null;
  readonly progress: number | null;
  readonly note: string | null;
}

/** The queue: running jobs, then waiting ones (the next first), then failed ones. */
export async function listJobs(executor: Executor): Promise<QueuedJob[]> {
  const { rows } = await executor.query<QueuedJob>(sql`
    select id, task, state, due_at, attempts, max_attempts, last_error, progress, note
    from ops.jobs
    order by array_position(array['running', 'waiting', 'failed'], state), due_at, id`);
  return rows;
}

/** A job as a line of columns. */
export function formatJob(job: QueuedJob): string {
  const { id, task, state, due_at: dueAt, attempts, max_attempts: most, last_error: error } = job;
  const detail = state === 'running' ? progressOf(job) : (error ?? '');
  return [id, task, state, dueAt.toISOString(), `${attempts}/${most}`, detail].join('\t');
}

export interface JobToStart {
  /** The database as the worker. */
  readonly executor: Executor;
  readonly task: string;
  /** JSON; undefined: no payload. */
  readonly payload: string | undefined;
  /** Called with each line of output. */
  readonly print: (line: string) => void;
}

/** The end of a job, as the caller who waits for it sees it. */
export type JobEnd = 'succeeded' | 'failed';

/** Pause between two looks at a job. */
const pollMs = 300;

/**
 * Has a worker run a job now, and follows it to its end. The job is tried once, because the caller can decide
 * about another try. Throws UsageError when the job does not exist, its payload is not valid, or no live
 * worker can run it.
 */
export async function runJobNow({ executor, task, payload, print }: JobToStart): Promise<JobEnd> {
  const members = checkedPayload(task, payload);
  if (!(await hasWorker(executor))) {
    throw new UsageError(
      'no worker is running, so the job would not start: run `lightning work` or `lightning start` first',
    );
  }
  const { rows } = await executor.query<{ id: string }>(sql`
    select id from graphile_worker.add_job(${task}, ${JSON.stringify(members)}::json, max_attempts => 1)`);
  const id = rows[0]!.id;
  print(`job ${id} is queued; it continues even if this command is ended`);
  return follow(executor, id, print);
}

/** The visible state of a job. `state` and `outcome` are both null once it is gone. */
interface Seen {
  readonly state: QueuedJob['state'] | null;
  readonly outcome: 'running' | 'succeeded' | 'failed' | 'abandoned' | null;
  readonly idle: boolean | null;
  readonly progress: number | null;
  readonly note: string | null;
  readonly error: string | null;
  readonly last_error: string | null;
}

async function follow(executor: Executor, id: string, print: (line: string) => void): Promise<JobEnd> {
  let said = '';
  for (;;) {
    const { rows } = await executor.query<Seen>(sql`
      select
        case
          when j.locked_at is not null then 'running'
          when j.attempts >= j.max_attempts then 'failed'
          when j.id is not null then 'waiting'
        end as state,
        j.last_error, r.outcome, r.idle, r.progress, r.note, r.error
      from (select ${id}::bigint as id) w
      left join graphile_worker.jobs j on j.id = w.id
      left join lateral (
        select * from ops.job_runs r where r.job_id = w.id order by r.id desc limit 1
      ) r on true`);
    const seen = rows[0]!;
    if (seen.state === 'failed') {
      print(`failed: ${seen.error ?? seen.last_error ?? 'its worker was lost'}`);
      // The caller has seen the failure, so the job need not stay in the queue.
      await executor.query(sql`select graphile_worker.complete_jobs(array[${id}::bigint])`);
      return 'failed';
    }
    if (seen.state === null) {
      if (seen.outcome === null) {
        print('another run holds its lock: the job waits, and is tried again in a minute');
        return 'failed';
      }
      if (seen.outcome !== 'succeeded') {
        // The run was stopped, and the job is queued again under another id.
        print(`stopped: ${seen.error ?? 'its worker was lost'}; the next worker runs the job`);
        return 'failed';
      }
      print(seen.idle ? 'done: there was nothing to do' : `done: ${seen.note ?? 'without a note'}`);
      return 'succeeded';
    }
    const now = seen.outcome === 'running' ? progressOf(seen) || 'running' : 'waiting';
    if (now !== said) print(now);
    said = now;
    await pause(pollMs);
  }
}

function checkedPayload(task: string, payload: string | undefined): unknown {
  const job = jobs.find((known) => known.task === task);
  if (!job) {
    throw new UsageError(
      `job ${JSON.stringify(task)} does not exist; expected one of ${jobs.map((known) => known.task).join(', ')}`,
    );
  }
  try {
    const members: unknown = payload === undefined ? {} : JSON.parse(payload);
    job.prepare(members);
    return members;
  } catch (error) {
    if (error instanceof PayloadError) throw new UsageError(error.message, { cause: error });
    if (error instanceof SyntaxError)
      throw new UsageError(`the payload is not JSON: ${error.message}`, { cause: error });
    throw error;
  }
}

async function hasWorker(executor: Executor): Promise<boolean> {
  const { rowCount } = await executor.query(sql`
    select from ops.workers
    where stopped_at is null and lost_at is null and seen_at > clock_timestamp() - interval '1 minute'`);
  return (rowCount ?? 0) > 0;
}

function progressOf({ progress, note }: Pick<QueuedJob, 'progress' | 'note'>): string {
  return [progress === null ? '' : `${Math.floor(progress * 100)} %`, note ?? ''].filter(Boolean).join('  ');
}

/** `lightning jobs` and `lightning jobs run` */
export function addJobs(program: Command, context: CommandContext): void {
  const { print, setExitStatus } = context;
  const command = withJson(program.command('jobs'))
    .description(
      'show the queue of jobs: the running ones with their progress, then the waiting and the failed',
    )
    .action((flags: ListingFlags) =>
      asReader(context, async (executor) => {
        const rows = await listJobs(executor);
        printListing(context, flags, { rows, line: formatJob, none: 'no job is running, waiting or failed' });
      }),
    );
  explain(command, {
    variables: [...databaseVariables, 'WORKER_DATABASE_URL'],
    examples: [
      ['lightning jobs', 'a job a line: id, name, state, time due, attempts, progress or last error'],
      ['lightning jobs --json', 'the same for a program'],
    ],
  });
  const runCommand = command
    .command('run <job>')
    .description('have a worker run a job now, and follow it to its end')
    .option('--payload <json>', 'the payload of the job')
    .action((task: string, { payload }: { payload?: string }) =>
      // The process that runs the worker has migrated already.
      asWorker(context, 'look', async ({ database: executor }) => {
        const end = await runJobNow({ executor, task, payload, print });
        if (end === 'failed') setExitStatus(exitStatus.failed);
      }),
    );
  explain(runCommand, {
    variables: [...databaseVariables, 'WORKER_DATABASE_URL'],
    examples: [['lightning jobs run check_alerts', 'look for alerts now']],
  });
}
