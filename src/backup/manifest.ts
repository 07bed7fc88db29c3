import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { BackupDamaged } from './backup-damaged.ts';
import type { TableDigest } from './digests/table-digests.ts';
import { removeAll } from './store/remove-all.ts';
import type { StoredObject, Vault } from './vault.ts';

export type BackupKind = 'full' | 'incremental' | 'snapshot';

/**
 * What a backup is. It is written last, under a key with its own SHA-256 in it: a backup exists exactly when its manifest does,
 * and one that was edited is known by its name.
 */
export interface Manifest {
  readonly format: 1;
  /** `20261127T133000Z-full-3f9a1c`: in the order of time. */
  readonly id: string;
  readonly kind: BackupKind;
  /** What an incremental backup builds on. */
  readonly parent: ManifestReference | null;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
  /** In the order in which a restore reads them. */
  readonly objects: readonly Member[];
  /** Where in the server's history it is; null: of an embedded database. */
  readonly server: ServerPosition | null;
  /** Null: of a server. */
  readonly embedded: EmbeddedState | null;
  /** What the server ran with beyond Postgres's defaults, as far as the login of backups may see it. Earlier releases left it out. */
  readonly settings?: readonly ServerSetting[];
}

/** A setting of a server, and where it stood. Only what stood in a file of the data directory comes back with a restore. */
export interface ServerSetting {
  readonly name: string;
  /** As `show` prints it. */
  readonly value: string;
  readonly source: 'command line' | 'environment variable' | 'configuration file';
}

/** A backup, and the very manifest that it had. */
export interface ManifestReference {
  readonly id: string;
  readonly manifestSha256: string;
}

/** An object of a backup. */
export interface Member extends StoredObject {
  /** Such as `base`, `backup_manifest` or `files`. */
  readonly role: string;
}

/** Facts about the server that a backup was taken of. */
export interface ServerPosition {
  /** Decimal. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** `0/16B3748`. */
  readonly startLsn: string;
  readonly endLsn: string;
  /** Such as `17.11`. */
  readonly version: string;
  /** Bytes of a file of WAL. */
  readonly segmentBytes: number;
}

/** Facts about the embedded database that a snapshot was taken of. */
export interface EmbeddedState {
  /** Major version of Postgres. */
  readonly version: string;
  readonly files: number;
  /** Of the files. */
  readonly bytes: number;
  /** What this snapshot added to the store. */
  readonly newBytes: number;
  /** How long writers waited, in milliseconds. */
  readonly heldMs: number;
  /** What the tables held at that moment. */
  readonly tables: readonly TableDigest[];
  /** Tables that were too large to be digested while writers wait. */
  readonly undigested: readonly string[];
}

/** A manifest as a listing of the store has it: nothing of it has been read. */
export interface ListedManifest extends ManifestReference {
  readonly key: string;
}

/** A manifest that was read, and what it is called by others. */
export interface ReadManifest extends ListedManifest {
  readonly manifest: Manifest;
}

/** The database that a backup is of: snapshots are of an embedded one. */
export type BackupOrigin = 'server' | 'embedded';

const folder = 'backups/';
const namePattern =
  /^backups\/(?<id>\d{8}T\d{6}Z-(?:full|incremental|snapshot)-[0-9a-f]{6})\/manifest-(?<sha256>[0-9a-f]{64})\.(?:json|sealed)$/;

/** An id that nobody else has. */
export function newBackupId(kind: BackupKind, now: Date): string {
  const time = now.toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '');
  return `${time}-${kind}-${randomBytes(3).toString('hex')}`;
}

/** Key of an object that belongs to one backup. */
export function memberKey(id: string, name: string): string {
  return `${folder}${id}/${name}`;
}

/** Makes the backup exist. Everything that the manifest names is in the store already. */
export async function writeManifest(vault: Vault, manifest: Manifest): Promise<ReadManifest> {
  const text = Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
  // Not encrypted it is plain JSON, for whoever has nothing but the store and an editor.
  const stored = vault.encrypts ? await vault.seal(sealLabel(manifest.id), text) : text;
  const manifestSha256 = sha256(stored);
  const key = memberKey(manifest.id, `manifest-${manifestSha256}.${vault.encrypts ? 'sealed' : 'json'}`);
  await vault.store.put(key, stored);
  return { id: manifest.id, manifestSha256, key, manifest };
}

/** Every backup that exists, oldest first. Files beside them that are no manifests are passed over. */
export async function listManifests(vault: Vault): Promise<ListedManifest[]> {
  const found: ListedManifest[] = [];
  for await (const { key } of vault.store.list(folder)) {
    const { id, sha256: manifestSha256 } = namePattern.exec(key)?.groups ?? {};
    if (id !== undefined && manifestSha256 !== undefined) found.push({ id, manifestSha256, key });
  }
  return found;
}

/** Reads a manifest. Rejects with BackupDamaged when it is not the one that its name says. */
export async function readManifest(vault: Vault, listed: ListedManifest): Promise<ReadManifest> {
  const { id, key, manifestSha256 } = listed;
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
    throw new BackupDamaged(key, 'it is no JSON', { cause: error });
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
  return { id, key, manifestSha256, manifest };
}

/** What a backup is of, by its id: of one that cannot be read, too. */
export function originOf({ id }: ManifestReference): BackupOrigin {
  return id.includes('-snapshot-') ? 'embedded' : 'server';
}

/**
 * All manifests, oldest first, and the errors of those that cannot be read: one damaged backup hides no other. `origin`: of which
 * database; left out, of any.
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

/** Ends a backup: the manifest first, so that half of one is none, then what belongs to it alone. */
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
