import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { BackupDamaged } from '../../backup-damaged.ts';
import { signaturePattern } from '../../signatures.ts';
import type { Vault } from '../../vault.ts';

// wal/<system identifier>/<timeline>/<file>-<time>-<SHA-256>[-<signature>]: the store's listing is the index of the
// archive, and each file can be checked against its own name. The system identifier separates clusters that number
// their segments alike.

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
  /** The key without the signature. */
  readonly name: string;
  readonly signature: string | undefined;
  readonly storedBytes: number;
}

const keyPattern = new RegExp(
  `^(?<name>wal/\\d+/(?<timeline>[0-9A-F]{8})/(?<file>[0-9A-F]{24}|[0-9A-F]{8}\\.history)(?<partial>\\.partial)?-(?<time>\\d{13})-(?<sha256>[0-9a-f]{64}))${signaturePattern}$`,
);

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
  const name = `${label}-${now.getTime()}-${sha256(stored)}`;
  const signed = vault.signatures.suffix(name);
  const key = `${name}${signed}`;
  await vault.store.put(key, stored);
  return {
    kind,
    file,
    timeline: Number.parseInt(timeline, 16),
    archivedAt: now.getTime(),
    key,
    name,
    signature: signed.slice(1) || undefined,
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

/** Whether the vault has this segment as a whole. One request, for the keys that begin with its name. */
export async function hasSegment(vault: Vault, systemIdentifier: string, file: string): Promise<boolean> {
  for await (const object of vault.store.list(`${labelOf(systemIdentifier, file)}-`)) {
    const wal = archivedWalOf(object);
    if (wal !== null && (await isTrusted(vault, wal))) return true;
  }
  return false;
}

/**
 * Every WAL file of a cluster, or of all, ordered by timeline, then by file, then by when it was archived. Signatures are
 * checked where a file is used.
 */
export async function listArchivedWal(vault: Vault, systemIdentifier?: string): Promise<ArchivedWal[]> {
  const found: ArchivedWal[] = [];
  const prefix = systemIdentifier === undefined ? 'wal/' : `wal/${systemIdentifier}/`;
  for await (const object of vault.store.list(prefix)) {
    const wal = archivedWalOf(object);
    if (wal !== null) found.push(wal);
  }
  return found;
}

/** Whether the file counts: others than us may have stored it where signatures are checked. */
export async function isTrusted(vault: Vault, { name, signature }: ArchivedWal): Promise<boolean> {
  return (await vault.distrust(name, signature)) === null;
}

function archivedWalOf({ key, bytes }: { key: string; bytes: number }): ArchivedWal | null {
  const { name, timeline, file, partial, time, signature } = keyPattern.exec(key)?.groups ?? {};
  if (name === undefined || timeline === undefined || file === undefined) return null;
  return {
    kind: file.endsWith('.history') ? 'history' : partial === undefined ? 'segment' : 'partial',
    file,
    timeline: Number.parseInt(timeline, 16),
    archivedAt: Number(time),
    key,
    name,
    signature,
    storedBytes: bytes,
  };
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

/**
 * Reads the stored bytes and compares them with the digest in their name, and the name with its signature. Rejects with
 * BackupDamaged or ObjectMissing.
 */
export async function checkArchivedWal(vault: Vault, wal: ArchivedWal): Promise<void> {
  await checkedBytes(vault, wal);
}

async function checkedBytes(vault: Vault, { key, name, signature }: ArchivedWal): Promise<Buffer> {
  const distrust = await vault.distrust(name, signature);
  if (distrust !== null) throw new BackupDamaged(key, distrust);
  const stored = await buffer(await vault.store.get(key));
  const found = sha256(stored);
  if (!name.endsWith(`-${found}`)) {
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
