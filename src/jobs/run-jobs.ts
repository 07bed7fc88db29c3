import type { JobHelpers, TaskList } from 'graphile-worker';
import { JobBusy, recordRun, RunStopped } from './job-run.ts';
import type { Job } from './job.ts';
import type { JobResources } from './job-resources.ts';
import { PayloadError } from './payload.ts';
import { areWritesStopped, isWriteStopped } from './stopped-writes.ts';

/**
 * The end of a run of a job in this process. `idle`: it had nothing to do. `waiting`: its lock was taken or writes are stopped, and it comes
 * again. `stopped`: the worker was told to stop.
 */
export interface RunEnd {
  readonly task: string;
  readonly outcome: 'succeeded' | 'idle' | 'failed' | 'waiting' | 'stopped';
  readonly durationMs: number;
}

/** Gets each run once, after its end. It must not throw. */
export type OnRunEnded = (end: RunEnd) => void;

export interface RunJobsOptions {
  /** The executor commits each statement by itself. */
  readonly resources: JobResources;
  /** Aborted when the worker stops; ends the runs. Its reason is as in JobToRun. */
  readonly signal: AbortSignal;
  /** See recordRun. */
  readonly leaseMs?: number;
  readonly onRunEnded?: OnRunEnded | undefined;
}

/** Pause before a job that found its lock taken is tried again. */
const busyPauseMs = 60_000;

/** Pause before a job that found writes stopped is tried again. */
const stoppedPauseMs = 30_000;

/** The jobs in graphile-worker's form. Each run is recorded, holds its lock, and logs what it did. */
export function taskListOf(jobs: readonly Job[], options: RunJobsOptions): TaskList {
  return Object.fromEntries(
    jobs.map((job) => [
      job.task,
      (payload: unknown, helpers: JobHelpers) => toldOf(job, payload, helpers, options),
    ]),
  );
}

async function toldOf(
  job: Job,
  payload: unknown,
  helpers: JobHelpers,
  options: RunJobsOptions,
): Promise<void> {
  const { onRunEnded = () => {} } = options;
  const began = performance.now();
  const end = (outcome: RunEnd['outcome']): void =>
    onRunEnded({ task: job.task, outcome, durationMs: performance.now() - began });
  try {
    end(await runJob(job, payload, helpers, options));
  } catch (error) {
    end('failed');
    throw error;
  }
}

async function runJob(
  job: Job,
  payload: unknown,
  helpers: JobHelpers,
  { resources, signal, leaseMs = 60_000 }: RunJobsOptions,
): Promise<RunEnd['outcome']> {
  const { executor, log } = resources;
  const { task } = job;
  const { id, locked_by: worker } = helpers.job;
  // An unreadable payload is recorded as a run that failed, because operators look for it there.
  const work = prepare(job, payload);
  const waitForWrites = async (): Promise<'waiting'> => {
    const runAt = new Date(Date.now() + stoppedPauseMs);
    await comeAgain(helpers, payload, { runAt, jobKey: `wait:writes:${task}` });
    log({ level: 'info', event: 'job-waits', message: `${task}: writes are stopped`, task, job: id });
    return 'waiting';
  };
  if (job.changesData && (await areWritesStopped(executor))) return waitForWrites();
  try {
    const did = await recordRun(
      executor,
      {
        task,
        jobId: id,
        signal,
        leaseMs,
        ...(worker === null ? {} : { worker }),
        ...(job.lock === null || work instanceof PayloadError ? {} : { lock: job.lock }),
      },
      async (run) => {
        if (work instanceof PayloadError) throw work;
        const summary = await work(run, resources);
        if (summary === null) run.idle();
        else run.progress(1, summary);
        return summary;
      },
    );
    if (did === null) return 'idle';
    log({ level: 'info', event: 'job-done', message: `${task}: ${did}`, task, job: id });
    return 'succeeded';
  } catch (error) {
    if (error instanceof JobBusy) {
      // However many jobs of a kind find the lock taken, one comes again.
      const runAt = new Date(Date.now() + busyPauseMs);
      await comeAgain(helpers, payload, { runAt, jobKey: `wait:${job.lock}:${task}` });
      log({ level: 'info', event: 'job-waits', message: `${task}: ${error.message}`, task, job: id });
      return 'waiting';
    }
    // They were stopped while it ran.
    if (isWriteStopped(error)) return waitForWrites();
    if (error instanceof RunStopped) {
      const { key } = helpers.job;
      await comeAgain(helpers, payload, key === null ? {} : { jobKey: key });
      const message = `${task}: ${error.message}, and the job is left to the next worker`;
      log({ level: 'info', event: 'job-stopped', message, task, job: id });
      return 'stopped';
    }
    throw error;
  }
}

function prepare(job: Job, payload: unknown): ReturnType<Job['prepare']> | PayloadError {
  try {
    return job.prepare(payload);
  } catch (error) {
    if (error instanceof PayloadError) return error;
    throw error;
  }
}

/** Queues the job again. To wait or to be stopped is not a failure, so it costs no attempt. */
async function comeAgain(
  helpers: JobHelpers,
  payload: unknown,
  when: { readonly runAt?: Date; readonly jobKey?: string },
): Promise<void> {
  const { task_identifier: task, max_attempts: maxAttempts, priority } = helpers.job;
  const queueName = await helpers.getQueueName();
  await helpers.addJob(task, payload, {
    ...when,
    maxAttempts,
    priority,
    ...(queueName === null ? {} : { queueName }),
  });
}
