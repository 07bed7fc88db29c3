import type { CronItemOptions } from 'graphile-worker';
import type { JobResources } from './job-resources.ts';
import type { JobRun } from './job-run.ts';
import type { ParsePayload } from './payload.ts';

/** When a job comes by itself (UTC). */
export interface Schedule {
  /** As in a crontab. */
  readonly match: string;
  /** The longest expected gap between two runs; ops.check_late_jobs alerts beyond it. */
  readonly everyMinutes: number;
  /** `backfillPeriod` makes up for time asleep. Two jobs of one `jobKey` are one. */
  readonly options: CronItemOptions;
}

/** A kind of job: what the worker does when one of its task is due. */
export interface JobDefinition<Payload> {
  /** The name of the task, by which the queue knows it. */
  readonly task: string;
  /** For operators; a sentence without a full stop. */
  readonly does: string;
  /** Left out: it comes only when something asks for it. */
  readonly schedule?: Schedule;
  readonly parse: ParsePayload<Payload>;
  /** Only one run of the same lock lives at a time, in all processes; the others wait for a minute and try again. */
  readonly lock?: string;
  /** A run that takes longer raises an alert. Default ten minutes. */
  readonly expectedMinutes?: number;
  /**
   * Does it, idempotently: a run whose process died is begun anew. Ends soon after `run.signal`. Gives what it did, as a
   * sentence; null when there was nothing to do.
   */
  readonly run: (payload: Payload, run: JobRun, resources: JobResources) => Promise<string | null>;
}

/** A kind of job, whatever its payload. */
export interface Job {
  readonly task: string;
  readonly does: string;
  readonly schedule: Schedule | null;
  readonly lock: string | null;
  readonly expectedMinutes: number;
  /** Reads the payload, and gives what runs with it. Throws PayloadError. */
  prepare(payload: unknown): (run: JobRun, resources: JobResources) => Promise<string | null>;
}

/** Binds a handler to its payload, so that all kinds go into one list. */
export function defineJob<Payload>(definition: JobDefinition<Payload>): Job {
  const { task, does, schedule = null, parse, lock = null, expectedMinutes = 10, run: work } = definition;
  return {
    task,
    does,
    schedule,
    lock,
    expectedMinutes,
    prepare: (payload) => {
      const parsed = parse(payload);
      return (run, resources) => work(parsed, run, resources);
    },
  };
}
