import type { JobRun } from './job-run.ts';
import type { ParsePayload } from './payload.ts';

/** A kind of job: what the worker does when one of its task is due. */
export interface JobDefinition<Payload> {
  /** For operators; a sentence without a full stop. */
  readonly does: string;
  readonly parse: ParsePayload<Payload>;
  /** Of what has the same lock only one runs at a time, in all processes; the others wait for a minute and try again. */
  readonly lock?: string;
  /** A run that takes longer raises an alert. Default ten minutes. */
  readonly expectedMinutes?: number;
  /**
   * Does it, idempotently: a run whose process died is begun anew. Ends soon after `run.signal`. Gives what it did, as a
   * sentence; null when there was nothing to do.
   */
  readonly run: (payload: Payload, run: JobRun) => Promise<string | null>;
}

/** A kind of job, whatever its payload. */
export interface Job {
  readonly does: string;
  readonly lock: string | null;
  readonly expectedMinutes: number;
  /** Reads the payload, and gives what runs with it. Throws PayloadError. */
  prepare(payload: unknown): (run: JobRun) => Promise<string | null>;
}

/** Jobs by the names of their tasks. */
export type Jobs = Readonly<Record<string, Job>>;

/** Binds a handler to its payload, so that all kinds go into one list. */
export function defineJob<Payload>(definition: JobDefinition<Payload>): Job {
  const { does, parse, lock = null, expectedMinutes = 10, run: work } = definition;
  return {
    does,
    lock,
    expectedMinutes,
    prepare: (payload) => {
      const parsed = parse(payload);
      return (run) => work(parsed, run);
    },
  };
}
