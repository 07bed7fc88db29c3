import type { Executor } from '../db/database.ts';
import type { Log } from '../log.ts';
import type { OnProgress } from '../on-progress.ts';
import type { StatusLine } from '../status-line.ts';
import type { DrillVerdict } from './drill-verdict.ts';
import type { RestoreTarget } from './restore-target.ts';
import type { ReceiverStatus } from './server/wal/receive-wal.ts';

// The one interface to backups, whatever database they belong to. Two kinds implement it: server/ and embedded/.
// test/backup/backups.test.ts holds both to the contract below.

/** How long-running work is watched and ended. */
export interface Work {
  readonly onProgress?: OnProgress | undefined;
  /** When it aborts, the work rejects soon afterwards. Half of a backup or of a restore never counts as a whole one. */
  readonly signal: AbortSignal;
}

/**
 * Operations that need the store alone, when everything else is lost. Each call opens the store; the caller has
 * nothing to close.
 */
export interface StoredBackups {
  /** Reads every manifest, and nothing else. */
  list(): Promise<BackupList>;
  /**
   * The moments between and after the backups that a restore can reach. Null: only the moments of the backups
   * themselves.
   */
  reach(): Promise<Reach | null>;
  /**
   * Reads every stored byte and compares it with the recorded digests. Goes on after a problem, and names all of
   * them. A store without backups gives a verification of 0 objects, which proves nothing.
   */
  verify(work: Work): Promise<Verification>;
  /**
   * Makes a data directory as of one moment, whole or not at all; nothing that runs is touched. Returns, as text for
   * people, what was done and how to go on. Rejects with RestoreRefused, BackupDamaged or ObjectMissing, naming what
   * is in the way.
   */
  restore(options: RestoreOptions): Promise<string>;
}

/** Backups of the configured database. */
export interface Backups extends StoredBackups {
  /**
   * Whether a backup may build on an earlier one, so that a full backup is due now and then. False: each backup is
   * whole.
   */
  readonly buildsOnEarlier: boolean;
  /** Makes a backup. When it resolves, the backup can be restored; a failure leaves no backup. */
  take(requested: RequestedBackup, work: Work): Promise<TakenBackup>;
  /**
   * Restores the newest backup into a throw-away copy, compares every row, and damages the copy to prove that damage
   * would be noticed. Resolves with the findings, good or bad; rejects when the drill could not be held, which says
   * nothing about the backups.
   */
  drill(work: Work): Promise<DrillVerdict>;
  /**
   * Removes the backups that no moment of the recovery window before `now` needs, and the objects that only they
   * used. Never removes all backups. Rejects with BackupDamaged, and removes nothing, while a manifest cannot be
   * read.
   */
  removeExpired(now: Date): Promise<Removal>;
  /**
   * Makes ops.backups agree with the store; the executor is the worker's. Returns a sentence when a manifest differs
   * from the one first recorded, which means that somebody changed it. Null: all are unchanged.
   */
  record(executor: Executor): Promise<string | null>;
  /**
   * The state of the store and of the way to it; of the backups, only the newest manifest is read. Something out of reach
   * is a line, not an error.
   */
  statusLines(): Promise<readonly StatusLine[]>;
  /** The receiver that has to run all the time, or the moments between two backups are lost. Null: none is needed. */
  readonly receiving: WalReceiving | null;
}

/**
 * `auto`: whatever is due. `full`: the whole database. `incremental`: only the changes, however old the last full
 * backup is.
 */
export type RequestedBackup = 'auto' | 'full' | 'incremental';

/** A backup that exists. */
export interface TakenBackup {
  readonly id: string;
  /** The backup's id and its cost, as text for people. */
  readonly summary: string;
}

/** The backups in a store. */
export interface BackupList {
  /** The name of the store. */
  readonly store: string;
  /** Oldest first, by the time each ended. */
  readonly backups: readonly ListedBackup[];
  /** A sentence for each manifest that cannot be read. */
  readonly damaged: readonly string[];
}

/** The moments that a restore can reach. */
export interface Reach {
  /** The moments, or what is in the way, for people. */
  readonly text: string;
  /** Whether something that was stored is missing or damaged, so that moments are lost. */
  readonly isBroken: boolean;
}

/** One backup, as a list shows it. */
export interface ListedBackup {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly endedAt: string;
  /** Bytes that it added to the store. */
  readonly storedBytes: number;
  /** The state that a restore of it brings back, as text for people. */
  readonly position: string;
  /** The backup that it builds on, or why it cannot be restored, as text for people. Empty: it stands alone. */
  readonly parent: string;
  /** Whether something that it builds on is missing, so that it cannot be restored. */
  readonly isBroken: boolean;
}

/** One problem in a store, by name. */
export interface Problem {
  /** The object, WAL file or backup. */
  readonly member: string;
  readonly what: string;
}

/** The result of reading every stored byte. It says something only when `objects` is not 0. */
export interface Verification {
  /** The name of the store. */
  readonly store: string;
  readonly backups: number;
  readonly objects: number;
  readonly walFiles: number;
  readonly problems: readonly Problem[];
}

export interface RestoreOptions extends Work {
  readonly target: RestoreTarget;
  /** The id of the backup to begin with; null: the newest that is early enough. */
  readonly from: string | null;
  /** The data directory to make. It must be absent or empty. */
  readonly into: string;
  /** Whether the restored directory survives a power cut. Default true. */
  readonly durable?: boolean;
}

/** The result of a removal. */
export interface Removal {
  readonly backups: readonly string[];
  /** Text for people; null: nothing was removed. */
  readonly summary: string | null;
}

/** Write-ahead log that is received between the backups. */
export interface WalReceiving {
  /** The replication slot that keeps what has not been received yet. */
  readonly slot: string;
  /**
   * Receives for as long as the process lives, whether or not the server is up at the start. `stop` ends it in order,
   * and archives everything received.
   */
  start(options: WalReceivingOptions): { stop(): Promise<void> };
}

export interface WalReceivingOptions {
  /** Called every few seconds with the state of the receiver. A rejection is logged. */
  readonly onStatus?: (status: ReceiverStatus) => Promise<void>;
  readonly log: Log;
  readonly now: () => Date;
}
