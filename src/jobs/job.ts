import type { CronItemOptions } from 'graphile-worker';
import type { JobResources } from './job-resources.ts';
import type { JobRun } from './job-run.ts';
import type { ParsePayload } from './payload.ts';

/** The times at which a job comes by itself (UTC). */
export interface Schedule {
  /** In crontab form. */
  readonly match: string;
  /** The longest expected gap between two runs; ops.check_late_jobs alerts beyond it. */
  readonly everyMinutes: number;
  /** `backfillPeriod` catches up on runs that were missed. Two jobs with the same `jobKey` are one. */
  readonly options: CronItemOptions;
}

/** A kind of job: the worker's action when such a job is due. */
export interface JobDefinition<Payload> {
  /** Name of the job. graphile-worker calls it the task. */
  readonly task: string;
  /** Description for operators: a sentence without a full stop. */
  readonly does: string;
  /** Left out: the job comes only on request. */
  readonly schedule?: Schedule;
  readonly parse: ParsePayload<Payload>;
  /**
   * At most one run with the same lock lives at a time, across all processes. The others wait for a minute and
   * try again.
   */
  readonly lock?: string;
  /** Whether it writes to tables of tenants, so that it waits while writes are stopped. Default: false. */
  readonly changesData?: boolean;
  /** A run that takes longer raises an alert. Default: ten minutes. */
  readonly expectedMinutes?: number;
  /**
   * Does the work, and must be idempotent: a run whose process died is begun anew. Must end soon after
   * `run.signal`. Returns a sentence on what was done; null when there was nothing to do.
   */
  readonly run: (payload: Payload, run: JobRun, resources: JobResources) => Promise<string | null>;
}

/** A kind of job, whatever its payload. */
export interface Job {
  readonly task: string;
  readonly does: string;
  readonly schedule: Schedule | null;
  readonly lock: string | null;
  readonly changesData: boolean;
  readonly expectedMinutes: number;
  /** Reads the payload, and returns the function to run with it. Throws PayloadError. */
  prepare(payload: unknown): (run: JobRun, resources: JobResources) => Promise<string | null>;
}

/** Binds a handler to its payload, so that all kinds of jobs fit into one list. */
export function defineJob<Payload>(definition: JobDefinition<Payload>): Job {
  const {
    task,
    does,
    schedule = null,
    parse,
    lock = null,
    changesData = false,
    expectedMinutes = 10,
    run: work,
  } = definition;
  return {
    task,
    does,
    schedule,
    lock,
    changesData,
    expectedMinutes,
    prepare: (payload) => {
      const parsed = parse(payload);
      return (run, resources) => work(parsed, run, resources);
    },
  };
}
