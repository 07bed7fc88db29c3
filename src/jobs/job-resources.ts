import type { Secret } from '../config/secret.ts';
import type { Executor } from '../db/database.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import type { Log } from '../log.ts';
import type { AsKeeper } from '../retention/keeper.ts';
import type { JobRun } from './job-run.ts';

/** Backs the configured database up. Gives what it did, in words. */
export type BackUp = (
  requested: 'auto' | 'full' | 'incremental',
  run: Pick<JobRun, 'signal' | 'progress'>,
) => Promise<string>;

/** Holds a drill of the configured database. Gives what it found, in words; rejects with DrillFailed when that is bad. */
export type Drill = (run: Pick<JobRun, 'signal' | 'progress'>) => Promise<string>;

/** What jobs work with. */
export interface JobResources {
  /** As the worker. */
  readonly executor: Executor;
  readonly kind: 'embedded' | 'server';
  /** Null: knowledge without an embedding stays without one. */
  readonly embed: Embed | null;
  /** Null: alerts are sent nowhere. */
  readonly alertWebhook: Secret | null;
  /** Null: no store is configured. */
  readonly backUp: BackUp | null;
  /** Null: there are no backups to prove. */
  readonly drill: Drill | null;
  /** Null: nothing is removed. */
  readonly asKeeper: AsKeeper | null;
  readonly log: Log;
  /** The clock that says what is due. */
  readonly now: () => Date;
}
