import type { Backups } from '../backup/backups.ts';
import type { Secret } from '../config/secret.ts';
import type { Executor } from '../db/database.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import type { Log } from '../log.ts';
import type { AnchorTargets } from './anchor-targets.ts';

/** The resources that jobs use. */
export interface JobResources {
  /** The database, as the worker. */
  readonly executor: Executor;
  readonly kind: 'embedded' | 'server';
  /** Null: knowledge without an embedding stays without one. */
  readonly embed: Embed | null;
  /** Null: alerts are not sent. */
  readonly alertWebhook: Secret | null;
  /** Where the heads of the sealed audit log go. */
  readonly anchors: AnchorTargets;
  /** Null: no store is configured. */
  readonly backups: Backups | null;
  readonly log: Log;
  /** The clock that decides which jobs are due. */
  readonly now: () => Date;
}
