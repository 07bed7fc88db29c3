import { readHead } from '../../audit/anchor.ts';
import { clientExecutor } from '../../db/client-executor.ts';
import type { Log } from '../../log.ts';
import type { RequestedBackup, Work } from '../backups.ts';
import { newBackupId, readManifests, writeManifest } from '../manifest.ts';
import type { ReadManifest } from '../manifest.ts';
import type { Vault } from '../vault.ts';
import { BaseBackupFailed, takeBaseBackup } from './base-backup.ts';
import type { BaseBackup } from './base-backup.ts';
import { planBackup } from './plan-backup.ts';
import type { BackupPlan } from './plan-backup.ts';
import type { ServerPrograms } from './programs.ts';
import { receiveMeanwhile } from './wal/receive-meanwhile.ts';
import type { Receiving } from './wal/receive-wal.ts';
import { connectForReplication, refuseUnfitServer, serverFacts } from './server-facts.ts';
import type { ServerConnection, ServerFacts } from './server-facts.ts';
import { walArrived } from './wal/wal-arrived.ts';
import { parseLsn, segmentFile, segmentNumber } from './wal/wal-position.ts';

export interface ServerBackupOptions extends Work {
  readonly connection: ServerConnection;
  /** Finds the programs of the server's major version. */
  readonly findPrograms: (major: number) => Promise<ServerPrograms>;
  readonly vault: Vault;
  readonly spoolDirectory: string;
  readonly slot: string;
  readonly requested: RequestedBackup;
  readonly log: Log;
  readonly now: () => Date;
  /** Bytes of content in each stored object; the default is that of `storeParts`. */
  readonly partBytes?: number;
  /** How long the WAL of the backup may take to arrive in the store. Default: 10 minutes. */
  readonly walTimeoutMs?: number;
}

/** A backup that exists. */
export interface ServerBackup {
  readonly backup: ReadManifest;
  /** The reason why it is full or incremental. */
  readonly why: string;
}

/**
 * Makes a backup of a server. When it resolves, the backup can be restored: its WAL is in the store too. The worker
 * receives the WAL; if nobody does, this receives it for the duration of the backup. A failure leaves no backup.
 */
export async function backUpServer(options: ServerBackupOptions): Promise<ServerBackup> {
  const { connection, vault, requested, signal, log, now } = options;
  const client = await connectForReplication(connection);
  let receiving: Receiving | null = null;
  try {
    const facts = await serverFacts(client);
    refuseUnfitServer(facts);
    const programs = await options.findPrograms(facts.major);
    receiving = await receiveMeanwhile(client, {
      ...options,
      programs,
      systemIdentifier: facts.systemIdentifier,
    });
    const plan = await makePlan(vault, requested, facts);
    const startedAt = facts.now;
    const auditHead = await readHead(clientExecutor(client));
    const { id, taken, made } = await take(options, programs, facts, plan);
    const endedAt = (await serverFacts(client)).now;
    await waitForWal(options, facts, taken);
    signal.throwIfAborted();
    const { file } = taken;
    const backup = await writeManifest(vault, {
      format: 1,
      id,
      kind: made.kind,
      parent:
        made.kind === 'full' ? null : { id: made.parent.id, manifestSha256: made.parent.manifestSha256 },
      startedAt: startedAt.toISOString(),
      endedAt: endedAt.toISOString(),
      objects: taken.objects,
      server: {
        systemIdentifier: file.systemIdentifier,
        timeline: file.timeline,
        startLsn: file.startLsn,
        endLsn: file.endLsn,
        version: facts.version,
        segmentBytes: facts.segmentBytes,
      },
      embedded: null,
      settings: facts.settings,
      auditHead,
    });
    log({
      level: 'info',
      event: 'backup-made',
      message: `${id}: ${made.kind}, because ${made.why}`,
      id,
      at: now(),
    });
    return { backup, why: made.why };
  } finally {
    await receiving?.stop();
    await client.end();
  }
}

async function makePlan(vault: Vault, requested: RequestedBackup, server: ServerFacts): Promise<BackupPlan> {
  const { manifests } = await readManifests(vault);
  const present = new Set<string>();
  for await (const { key } of vault.store.list('backups/')) present.add(key);
  const missing = manifests
    .flatMap(({ manifest }) => manifest.objects.map(({ key }) => key))
    .filter((key) => !present.has(key));
  return planBackup({ requested, backups: manifests, missingKeys: new Set(missing), server });
}

/**
 * Takes the planned backup. When the server's WAL summaries have a gap, takes a full one in place of an incremental
 * one.
 */
async function take(
  { connection, vault, partBytes, onProgress, signal, log, now }: ServerBackupOptions,
  programs: ServerPrograms,
  { databaseBytes }: ServerFacts,
  plan: BackupPlan,
): Promise<{ id: string; taken: BaseBackup; made: BackupPlan }> {
  const attempt = async (made: BackupPlan) => {
    const id = newBackupId(made.kind, now());
    const parent = made.kind === 'full' ? null : made.parent;
    const expectedBytes = parent === null && databaseBytes > 0 ? databaseBytes : null;
    onProgress?.(0, `${made.kind} backup, because ${made.why}`);
    const taken = await takeBaseBackup({
      connection,
      programs,
      vault,
      id,
      parent,
      partBytes,
      expectedBytes,
      onProgress,
      signal,
    });
    return { id, taken, made };
  };
  try {
    return await attempt(plan);
  } catch (error) {
    if (plan.kind === 'full' || !(error instanceof BaseBackupFailed && error.lacksSummaries)) throw error;
    log({ level: 'warning', event: 'backup-not-incremental', message: error.message });
    return attempt({ kind: 'full', why: "the server's summaries of WAL have a gap" });
  }
}

/**
 * Waits until the store has the segment in which the backup ends. The server began a new segment when the backup
 * ended, so this one is complete.
 */
async function waitForWal(
  { vault, onProgress, signal, walTimeoutMs = 600_000 }: ServerBackupOptions,
  { systemIdentifier, segmentBytes }: ServerFacts,
  { file }: BaseBackup,
): Promise<void> {
  const needed = segmentFile(
    { timeline: file.timeline, number: segmentNumber(parseLsn(file.endLsn) - 1n, segmentBytes) },
    segmentBytes,
  );
  const arrived = await walArrived(vault, systemIdentifier, needed, {
    timeoutMs: walTimeoutMs,
    signal,
    onPause: () => onProgress?.(1, `waiting for WAL ${needed}`),
  });
  if (arrived) return;
  throw new BaseBackupFailed(
    `the backup needs WAL ${needed}, which has not arrived in ${vault.store.name}: lightning status shows the state of the receiver`,
  );
}
