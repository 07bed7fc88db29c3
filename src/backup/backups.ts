import type { Executor } from '../db/database.ts';
import type { Log } from '../log.ts';
import type { OnProgress } from '../on-progress.ts';
import type { StatusLine } from '../status-line.ts';
import type { DrillVerdict } from './drill-verdict.ts';
import type { RestoreTarget } from './restore-target.ts';
import type { ReceiverStatus } from './server/wal/receive-wal.ts';

// The one way to backups, whatever database they are of. Two kinds implement it: server/ and embedded/. test/backup/backups.test.ts
// holds both to what is said here.

/** How something that takes long is watched and ended. */
export interface Work {
  readonly onProgress?: OnProgress | undefined;
  /** When it aborts, the work rejects soon afterwards, and leaves no half of a backup or a restore that counts as a whole. */
  readonly signal: AbortSignal;
}

/** What can be done with the store alone, when all else is lost. Each call opens the store; nobody has to close it. */
export interface StoredBackups {
  /** Reads every manifest, and nothing else. */
  list(): Promise<BackupList>;
  /** To which moments between and after the backups a restore can go, for people; null: only to those of the backups. */
  reach(): Promise<string | null>;
  /**
   * Reads every stored byte and compares it with what was stored. Goes on after a problem, and names all of them. A store without
   * backups is a verification of 0 objects, which proves nothing.
   */
  verify(work: Work): Promise<Verification>;
  /**
   * Makes a data directory of a moment, whole or not at all; nothing that runs is touched. Gives what was done and how to go on, for
   * people. Rejects with RestoreRefused, BackupDamaged or ObjectMissing, naming what is in the way.
   */
  restore(options: RestoreOptions): Promise<string>;
}

/** Backups of the configured database. */
export interface Backups extends StoredBackups {
  /** Whether a backup may build on an earlier one, so that a full one is due now and then. False: each is whole. */
  readonly buildsOnEarlier: boolean;
  /** Makes a backup. When it resolves the backup can be restored; what fails leaves none. */
  take(requested: RequestedBackup, work: Work): Promise<TakenBackup>;
  /**
   * Restores the newest backup into a copy that is thrown away, compares every row, and damages the copy to see that it would notice.
   * Resolves with what it found, good or bad; rejects when it could not be held, which says nothing of the backups.
   */
  drill(work: Work): Promise<DrillVerdict>;
  /**
   * Removes the backups that no moment of the recovery window before `now` needs, and what only they were made of. Never removes all
   * of them. Rejects with BackupDamaged, and removes nothing, while a manifest cannot be read.
   */
  removeExpired(now: Date): Promise<Removal>;
  /**
   * Makes ops.backups say what the store has; the executor is the worker's. Gives a sentence when a manifest is another one than was
   * recorded first, which means that somebody changed it; null: all are the same.
   */
  record(executor: Executor): Promise<string | null>;
  /** How the store and the way to it stand, without reading a backup. What cannot be reached is a line, not an error. */
  statusLines(): Promise<readonly StatusLine[]>;
  /** What has to run all the time, lest the moments between two backups be lost; null: nothing does. */
  readonly receiving: WalReceiving | null;
}

/** `auto`: whatever is due. `full`: all of it. `incremental`: what changed, however old the last full backup is. */
export type RequestedBackup = 'auto' | 'full' | 'incremental';

/** A backup that exists. */
export interface TakenBackup {
  readonly id: string;
  /** Its id and what it took, for people. */
  readonly summary: string;
}

/** What the store has of backups. */
export interface BackupList {
  /** The name of the store. */
  readonly store: string;
  /** Oldest first, by their ends. */
  readonly backups: readonly ListedBackup[];
  /** A sentence for each manifest that cannot be read. */
  readonly damaged: readonly string[];
}

/** A line of the list. */
export interface ListedBackup {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly endedAt: string;
  /** Bytes that it added to the store. */
  readonly storedBytes: number;
  /** Which state of what it is, for people. */
  readonly position: string;
  /** What it builds on, or why it cannot be restored, for people; empty: it is whole by itself. */
  readonly parent: string;
}

/** What is wrong in a store, by name. */
export interface Problem {
  /** The object, WAL file or backup. */
  readonly member: string;
  readonly what: string;
}

/** What a look at every stored byte gave. It says something only when `objects` is not 0. */
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
  /** The backup to begin with; null: the newest that is early enough. */
  readonly from: string | null;
  /** The data directory to make: not there, or empty. */
  readonly into: string;
  /** Whether what was restored survives a power cut. Default true. */
  readonly durable?: boolean;
}

/** What went. */
export interface Removal {
  readonly backups: readonly string[];
  /** For people; null: nothing went. */
  readonly summary: string | null;
}

/** Write-ahead log that is received between the backups. */
export interface WalReceiving {
  /** The replication slot that keeps what has not been received yet. */
  readonly slot: string;
  /**
   * Receives for as long as a process lives, whether the server is there when it begins or not. `stop` ends it in order, and archives
   * what came.
   */
  start(options: WalReceivingOptions): { stop(): Promise<void> };
}

export interface WalReceivingOptions {
  /** Called every few seconds with how receiving stands. A rejection is logged. */
  readonly onStatus?: (status: ReceiverStatus) => Promise<void>;
  readonly log: Log;
  readonly now: () => Date;
}
