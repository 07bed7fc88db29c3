import { verifySnapshot } from '../backup/embedded/restore.ts';
import type { ReadManifest } from '../backup/manifest.ts';
import { readManifests } from '../backup/manifest.ts';
import { configuredPrograms } from '../backup/server/configured.ts';
import { RestoreRefused } from '../backup/server/choose-backup.ts';
import { chainOf } from '../backup/server/plan-backup.ts';
import { ProgramsMissing } from '../backup/server/programs.ts';
import { reachableWindow } from '../backup/server/reachable-window.ts';
import { verifyServerBackups } from '../backup/server/verify.ts';
import { openVault } from '../backup/store/open-store.ts';
import type { Config } from '../config/config.ts';

/** What `lightning backups` prints: a line for each backup, oldest first, then to which moments a restore can go. */
export async function listBackups(config: Config): Promise<string> {
  const vault = await openVault(config.backup);
  const { manifests, damaged } = await readManifests(vault);
  const lines = manifests
    .toSorted((a, b) => Date.parse(a.manifest.endedAt) - Date.parse(b.manifest.endedAt))
    .map((backup) => describe(backup, manifests));
  for (const { message } of damaged) lines.push(`DAMAGED\t${message}`);
  if (manifests.length === 0) lines.push(`no backup in ${vault.store.name}`);
  const major = serverMajor(manifests);
  if (major !== null) lines.push('', await windowInWords(config, major));
  return lines.join('\n');
}

/** Reads every stored byte. `ok` is false when something is wrong, or nothing was there to be checked. */
export async function verifyBackups(
  config: Config,
  onProgress: (fraction: number | null, note: string) => void,
  signal: AbortSignal,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const vault = await openVault(config.backup);
  const ofServer = await verifyServerBackups({
    vault,
    spoolDirectory: config.backup.spoolDirectory,
    onProgress,
    signal,
  });
  const problems = [...ofServer.problems];
  let { backups, objects } = ofServer;
  for (const snapshot of (await readManifests(vault)).manifests) {
    if (snapshot.manifest.embedded === null) continue;
    const found = await verifySnapshot({ vault, snapshot, onProgress, signal });
    backups += 1;
    objects += found.objects;
    problems.push(...found.problems.map((what) => ({ member: snapshot.id, what })));
  }
  if (objects === 0) problems.push({ member: vault.store.name, what: 'there is nothing to check' });
  const checked = `checked ${backups} backups: ${objects} objects, ${ofServer.walFiles} files of WAL`;
  const wrong = problems.map(({ member, what }) => `WRONG\t${member}\t${what}`);
  return { ok: problems.length === 0, text: [...wrong, checked].join('\n') };
}

/** The major version of the newest backup of a server; null: there is none. */
export function serverMajor(manifests: readonly ReadManifest[]): number | null {
  const version = manifests.findLast(({ manifest }) => manifest.server !== null)?.manifest.server?.version;
  return version === undefined ? null : Number.parseInt(version, 10);
}

function describe(backup: ReadManifest, all: readonly ReadManifest[]): string {
  const { id, manifest } = backup;
  // Most of what a snapshot is made of was stored by earlier ones.
  const stored =
    manifest.embedded?.newBytes ?? manifest.objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const chain = chainOf(backup, all);
  return [
    id,
    manifest.endedAt,
    `${(stored / 1_000_000).toFixed(1)} MB`,
    manifest.server ? `timeline ${manifest.server.timeline}, until ${manifest.server.endLsn}` : 'embedded',
    'broken' in chain ? `BROKEN: ${chain.what}` : manifest.parent ? `on ${manifest.parent.id}` : '',
  ]
    .join('\t')
    .trimEnd();
}

async function windowInWords(config: Config, major: number): Promise<string> {
  try {
    const vault = await openVault(config.backup);
    const programs = await configuredPrograms(config)(major);
    const window = await reachableWindow(vault, config.backup.spoolDirectory, programs);
    if (!window) return 'nothing of it can be restored: no chain is whole';
    const { oldest, newest, gap } = window;
    const until = newest.time === null ? '' : ` (last transaction at ${newest.time})`;
    const range = `restore --to reaches from ${oldest.time}, position ${oldest.lsn}, to position ${newest.lsn}${until}`;
    return gap === null ? range : `${range}\nWAL ${gap} is MISSING: nothing after it can be reached`;
  } catch (error) {
    if (!(error instanceof ProgramsMissing) && !(error instanceof RestoreRefused)) throw error;
    return `to which moment a restore can go is not known: ${error.message}`;
  }
}
