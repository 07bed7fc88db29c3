import type { Problem, Verification, Work } from '../backups.ts';
import { BackupDamaged } from '../backup-damaged.ts';
import { readManifests } from '../manifest.ts';
import type { ReadManifest } from '../manifest.ts';
import { ObjectMissing } from '../store/store.ts';
import type { Vault } from '../vault.ts';
import { RestoreRefused } from '../restore-refused.ts';
import { chainOf } from './plan-backup.ts';
import { runFrom } from './restore.ts';
import { findWal } from './wal/wal-run.ts';
import type { WalFile } from './wal/wal-run.ts';

export interface VerifyOptions extends Work {
  readonly vault: Vault;
  readonly spoolDirectory: string | null;
}

/**
 * Reads every object of the servers' backups, and compares it with its digests. Goes on after a problem, and names
 * all of them.
 */
export async function verifyServerBackups(options: VerifyOptions): Promise<Verification> {
  const { vault, onProgress, signal } = options;
  const { manifests: backups, damaged } = await readManifests(vault, 'server');
  const problems: Problem[] = damaged.map(({ member, message }) => ({ member, what: message }));
  const objects = backups.flatMap(({ manifest }) => manifest.objects);
  for (const [index, object] of objects.entries()) {
    signal.throwIfAborted();
    await note(problems, object.key, () => vault.check(object));
    onProgress?.((index + 1) / (objects.length + 1), `checked ${object.key}`);
  }
  for (const backup of backups) {
    const chain = chainOf(backup, backups);
    if ('broken' in chain) addOnce(problems, { member: chain.broken, what: chain.what });
  }
  const wal = await verifyWal(options, backups, problems);
  return {
    store: vault.store.name,
    backups: backups.length,
    objects: objects.length,
    walFiles: wal,
    problems,
  };
}

/** Checks every backup's own WAL, and that all WAL after each cluster's oldest backup is there without a gap. */
async function verifyWal(
  { vault, spoolDirectory, signal, onProgress }: VerifyOptions,
  backups: readonly ReadManifest[],
  problems: Problem[],
): Promise<number> {
  const checked = new Set<string>();
  for (const system of new Set(backups.flatMap(({ manifest }) => manifest.server?.systemIdentifier ?? []))) {
    const inventory = await findWal(vault, system, spoolDirectory);
    const needed = new Map<string, WalFile>();
    for (const wal of inventory.histories) needed.set(wal.place, wal);
    for (const backup of backups) {
      const position = backup.manifest.server;
      if (position?.systemIdentifier !== system) continue;
      try {
        const run = await runFrom(inventory, { members: [backup], last: backup, position });
        for (const wal of run.files) needed.set(wal.place, wal);
        if (run.broken)
          addOnce(problems, { member: run.next, what: 'it is missing, and there is WAL after it' });
      } catch (error) {
        if (!(error instanceof RestoreRefused)) throw error;
        addOnce(problems, { member: error.member ?? backup.id, what: error.message });
      }
    }
    for (const [place, wal] of needed) {
      signal.throwIfAborted();
      checked.add(place);
      await note(problems, place, () => wal.check());
      onProgress?.(null, `checked ${wal.file}`);
    }
  }
  return checked.size;
}

async function note(problems: Problem[], member: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    if (!(error instanceof BackupDamaged) && !(error instanceof ObjectMissing)) throw error;
    problems.push({ member, what: error.message });
  }
}

function addOnce(problems: Problem[], problem: Problem): void {
  if (!problems.some(({ member }) => member === problem.member)) problems.push(problem);
}
