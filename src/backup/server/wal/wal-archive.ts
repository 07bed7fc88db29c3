import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { BackupDamaged } from '../../backup-damaged.ts';
import type { Vault } from '../../vault.ts';

// wal/<system identifier>/<timeline>/<file>-<time>-<SHA-256>: the store's listing is the index of the archive, and
// each file can be checked against its own name. The system identifier separates clusters that number their segments
// alike.

/** A WAL file in a vault. */
export interface ArchivedWal {
  /** A whole segment, the beginning of the one under way, or the history of a timeline. */
  readonly kind: 'segment' | 'partial' | 'history';
  /** The name that Postgres gives it: 24 hexadecimal digits, or `00000002.history`. */
  readonly file: string;
  readonly timeline: number;
  /** When it was archived, in milliseconds since 1970; of two beginnings of a segment, the later one holds more. */
  readonly archivedAt: number;
  readonly key: string;
  readonly storedBytes: number;
}

const keyPattern =
  /^wal\/\d+\/(?<timeline>[0-9A-F]{8})\/(?<file>[0-9A-F]{24}|[0-9A-F]{8}\.history)(?<partial>\.partial)?-(?<time>\d{13})-(?<sha256>[0-9a-f]{64})$/;

/** Stores a WAL file. The file is durable when this resolves. */
export async function archiveWal(
  vault: Vault,
  systemIdentifier: string,
  { kind, file, content, now }: { kind: ArchivedWal['kind']; file: string; content: Uint8Array; now: Date },
): Promise<ArchivedWal> {
  const timeline = file.slice(0, 8);
  const suffix = kind === 'partial' ? '.partial' : '';
  const label = labelOf(systemIdentifier, `${file}${suffix}`);
  const stored = await vault.seal(label, content);
  const key = `${label}-${now.getTime()}-${sha256(stored)}`;
  await vault.store.put(key, stored);
  return {
    kind,
    file,
    timeline: Number.parseInt(timeline, 16),
    archivedAt: now.getTime(),
    key,
    storedBytes: stored.length,
  };
}

/**
 * Removes the beginnings of a file that were stored while it was received, all except the one under the key `except`.
 */
export async function removeBeginnings(
  vault: Vault,
  systemIdentifier: string,
  file: string,
  except?: string,
): Promise<void> {
  const replaced: string[] = [];
  for await (const { key } of vault.store.list(`${labelOf(systemIdentifier, file)}.partial-`)) {
    if (key !== except) replaced.push(key);
  }
  for (const key of replaced) await vault.store.remove(key);
}

/** Every WAL file of a cluster, ordered by timeline, then by file, then by when it was archived. */
export async function listArchivedWal(vault: Vault, systemIdentifier: string): Promise<ArchivedWal[]> {
  const found: ArchivedWal[] = [];
  for await (const { key, bytes } of vault.store.list(`wal/${systemIdentifier}/`)) {
    const { timeline, file, partial, time } = keyPattern.exec(key)?.groups ?? {};
    if (timeline === undefined || file === undefined) continue;
    found.push({
      kind: file.endsWith('.history') ? 'history' : partial === undefined ? 'segment' : 'partial',
      file,
      timeline: Number.parseInt(timeline, 16),
      archivedAt: Number(time),
      key,
      storedBytes: bytes,
    });
  }
  return found;
}

/** The content. Rejects with BackupDamaged or ObjectMissing, naming the key. */
export async function readArchivedWal(
  vault: Vault,
  systemIdentifier: string,
  wal: ArchivedWal,
): Promise<Buffer> {
  const stored = await checkedBytes(vault, wal);
  const label = labelOf(systemIdentifier, `${wal.file}${wal.kind === 'partial' ? '.partial' : ''}`);
  return vault.unseal(label, wal.key, stored);
}

/** Reads the stored bytes and compares them with the digest in their name. Rejects with BackupDamaged or ObjectMissing. */
export async function checkArchivedWal(vault: Vault, wal: ArchivedWal): Promise<void> {
  await checkedBytes(vault, wal);
}

async function checkedBytes(vault: Vault, { key }: ArchivedWal): Promise<Buffer> {
  const stored = await buffer(await vault.store.get(key));
  const found = sha256(stored);
  if (!key.endsWith(`-${found}`)) {
    throw new BackupDamaged(
      key,
      `its SHA-256 is ${found} (${stored.length} bytes): it was changed, or is not whole`,
    );
  }
  return stored;
}

function labelOf(systemIdentifier: string, name: string): string {
  return `wal/${systemIdentifier}/${name.slice(0, 8)}/${name}`;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
