import type { Backups } from '../backup/backups.ts';
import type { Secret } from '../config/secret.ts';
import type { Executor } from '../db/database.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import type { Log } from '../log.ts';
import type { AsKeeper } from '../retention/keeper.ts';

/** What jobs work with. */
export interface JobResources {
  /** As the worker. */
  readonly executor: Executor;
  readonly kind: 'embedded' | 'server';
  /** Null: knowledge without an embedding stays without one. */
  readonly embed: Embed | null;
  /** Null: alerts are sent nowhere. */
  readonly alertWebhook: Secret | null;
  /** Null: the configuration does not say where to. */
  readonly backups: Backups | null;
  /** Null: nothing is removed. */
  readonly asKeeper: AsKeeper | null;
  readonly log: Log;
  /** The clock that says what is due. */
  readonly now: () => Date;
}
