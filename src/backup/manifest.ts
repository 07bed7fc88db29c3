import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { Anchor } from '../audit/anchor.ts';
import { BackupDamaged } from './backup-damaged.ts';
import type { TableDigest } from './digests/table-digests.ts';
import { signaturePattern } from './signatures.ts';
import { removeAll } from './store/remove-all.ts';
import type { StoredObject, Vault } from './vault.ts';

export type BackupKind = 'full' | 'incremental' | 'snapshot';

/**
 * The description of a backup. It is written last, under a key that holds its own SHA-256: a backup exists exactly
 * when its manifest does, and an edited manifest no longer matches its name. A signature in the name tells that nobody
 * else wrote it.
 */
export interface Manifest {
  readonly format: 1;
  /** Such as `20261127T133000Z-full-3f9a1c`: ids sort by time. */
  readonly id: string;
  readonly kind: BackupKind;
  /** The backup that an incremental one builds on. */
  readonly parent: ManifestReference | null;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
  /** In the order in which a restore reads them. */
  readonly objects: readonly Member[];
  /** The backup's place in the server's history; null: the database is embedded. */
  readonly server: ServerPosition | null;
  /** Null: the database is a server. */
  readonly embedded: EmbeddedState | null;
  /**
   * The server's settings beyond Postgres's defaults, as far as the backup login may see them. Earlier releases left
   * them out.
   */
  readonly settings?: readonly ServerSetting[];
  /**
   * The head of the sealed audit log before the backup: a witness outside of the database. Null: nothing was sealed. Earlier releases
   * left it out.
   */
  readonly auditHead?: Anchor | null;
}

/**
 * A setting of a server, and where it was set. A restore brings back only those set in a file of the data directory.
 */
export interface ServerSetting {
  readonly name: string;
  /** As `show` prints it. */
  readonly value: string;
  readonly source: 'command line' | 'environment variable' | 'configuration file';
}

/** A reference to a backup and to the exact manifest that it had. */
export interface ManifestReference {
  readonly id: string;
  readonly manifestSha256: string;
}

/** An object of a backup. */
export interface Member extends StoredObject {
  /** Such as `base`, `backup_manifest` or `files`. */
  readonly role: string;
}

/** Facts about the server that was backed up. */
export interface ServerPosition {
  /** Decimal. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Such as `0/16B3748`. */
  readonly startLsn: string;
  readonly endLsn: string;
  /** Such as `17.11`. */
  readonly version: string;
  /** Size of a WAL file, in bytes. */
  readonly segmentBytes: number;
}

/** Facts about the embedded database that was backed up. */
export interface EmbeddedState {
  /** Major version of Postgres. */
  readonly version: string;
  readonly files: number;
  /** Total size of the files. */
  readonly bytes: number;
  /** Bytes that this snapshot added to the store. */
  readonly newBytes: number;
  /** How long writers waited, in milliseconds. */
  readonly heldMs: number;
  /** The content of the tables at that moment. */
  readonly tables: readonly TableDigest[];
  /** Tables that were too large to digest while writers wait. */
  readonly undigested: readonly string[];
}

/** A manifest as the store lists it; its content has not been read. */
export interface ListedManifest extends ManifestReference {
  readonly key: string;
  readonly signature: string | undefined;
}

/** A manifest that was read, and the names by which others refer to it. */
export interface ReadManifest extends ListedManifest {
  readonly manifest: Manifest;
}

/** The kind of database that a backup was taken of. Snapshots belong to an embedded one. */
export type BackupOrigin = 'server' | 'embedded';

const folder = 'backups/';
const namePattern = new RegExp(
  `^backups/(?<id>\\d{8}T\\d{6}Z-(?:full|incremental|snapshot)-[0-9a-f]{6})/manifest-(?<sha256>[0-9a-f]{64})${signaturePattern}\\.(?:json|sealed)$`,
);

/** A new, unique id. */
export function newBackupId(kind: BackupKind, now: Date): string {
  const time = now.toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '');
  return `${time}-${kind}-${randomBytes(3).toString('hex')}`;
}

/** Key of an object that belongs to one backup. */
export function memberKey(id: string, name: string): string {
  return `${folder}${id}/${name}`;
}

/** Writes the manifest, which makes the backup exist. Everything that it names must be in the store already. */
export async function writeManifest(vault: Vault, manifest: Manifest): Promise<ReadManifest> {
  const text = Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
  // Without encryption it is plain JSON, readable by an operator who has only the store and an editor.
  const stored = vault.encrypts ? await vault.seal(sealLabel(manifest.id), text) : text;
  const manifestSha256 = sha256(stored);
  const suffix = vault.signatures.suffix(manifestName(manifest.id, manifestSha256));
  const key = memberKey(
    manifest.id,
    `manifest-${manifestSha256}${suffix}.${vault.encrypts ? 'sealed' : 'json'}`,
  );
  await vault.store.put(key, stored);
  return { id: manifest.id, manifestSha256, key, signature: suffix.slice(1) || undefined, manifest };
}

/** Every backup that exists, oldest first. Other files beside the manifests are skipped. */
export async function listManifests(vault: Vault): Promise<ListedManifest[]> {
  const found: ListedManifest[] = [];
  for await (const { key } of vault.store.list(folder)) {
    const { id, sha256: manifestSha256, signature } = namePattern.exec(key)?.groups ?? {};
    if (id !== undefined && manifestSha256 !== undefined) found.push({ id, manifestSha256, key, signature });
  }
  return found;
}

/** The name that a signature vouches for, without the store's endings: it is the same in clear and encrypted. */
export function manifestName(id: string, manifestSha256: string): string {
  return memberKey(id, `manifest-${manifestSha256}`);
}

/**
 * Reads a manifest. Rejects with BackupDamaged when its content does not match its name, and when signatures are
 * checked and the name is not signed by a trusted key.
 */
export async function readManifest(vault: Vault, listed: ListedManifest): Promise<ReadManifest> {
  const { id, key, manifestSha256, signature } = listed;
  const distrust = await vault.distrust(manifestName(id, manifestSha256), signature);
  if (distrust !== null) throw new BackupDamaged(key, distrust);
  const stored = await buffer(await vault.store.get(key));
  const found = sha256(stored);
  if (found !== manifestSha256) {
    throw new BackupDamaged(key, `its SHA-256 is ${found}: it was edited, or is not whole`);
  }
  const text = key.endsWith('.sealed') ? await vault.unseal(sealLabel(id), key, stored) : stored;
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text.toString('utf8')) as Manifest;
  } catch (error) {
    throw new BackupDamaged(key, 'it is not JSON', { cause: error });
  }
  if (manifest.format !== 1) {
    throw new BackupDamaged(
      key,
      `its format is ${JSON.stringify(manifest.format)}, and this release reads 1`,
    );
  }
  if (manifest.id !== id) {
    throw new BackupDamaged(key, `it is the manifest of ${JSON.stringify(manifest.id)}`);
  }
  return { id, key, manifestSha256, signature, manifest };
}

/** The kind of database that a backup belongs to, told from its id, so it works for an unreadable backup too. */
export function originOf({ id }: ManifestReference): BackupOrigin {
  return id.includes('-snapshot-') ? 'embedded' : 'server';
}

/**
 * All manifests, oldest first, and the errors of those that cannot be read: one damaged backup does not hide the
 * others. `origin` limits them to one kind of database; without it, all are read.
 */
export async function readManifests(
  vault: Vault,
  origin?: BackupOrigin,
): Promise<{ manifests: ReadManifest[]; damaged: BackupDamaged[] }> {
  const manifests: ReadManifest[] = [];
  const damaged: BackupDamaged[] = [];
  for (const listed of await listManifests(vault)) {
    if (origin !== undefined && originOf(listed) !== origin) continue;
    try {
      manifests.push(await readManifest(vault, listed));
    } catch (error) {
      if (!(error instanceof BackupDamaged)) throw error;
      damaged.push(error);
    }
  }
  return { manifests, damaged };
}

/**
 * Deletes a backup, manifest first: without a manifest it no longer counts as one. Then deletes the objects that
 * belong to it alone.
 */
export async function removeBackup(vault: Vault, { id, key }: ListedManifest): Promise<void> {
  await vault.store.remove(key);
  const members: string[] = [];
  for await (const member of vault.store.list(memberKey(id, ''))) members.push(member.key);
  await removeAll(vault.store, members);
}

function sealLabel(id: string): string {
  return memberKey(id, 'manifest');
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
