import { BackupDamaged } from '../backup-damaged.ts';
import type { TableDigest } from '../digests/table-digests.ts';
import { memberKey } from '../manifest.ts';
import type { Manifest, Member } from '../manifest.ts';
import type { StoredObject, Vault } from '../vault.ts';
import type { FileIdentity } from './file-set.ts';

/** The contents of a snapshot's files, and the facts by which the next snapshot finds out what has changed since. */
export interface FileIndex {
  readonly format: 1;
  readonly directories: readonly string[];
  readonly files: readonly IndexedFile[];
  /** Digests of tables, with the facts that they depend on: while those stay the same, so does the digest. */
  readonly digests: readonly KnownDigest[];
}

export interface IndexedFile {
  readonly path: string;
  readonly bytes: number;
  /** Null: the file had been written a moment before, so it may change without a visible change of its identity. */
  readonly identity: FileIdentity | null;
  /** In the order of the file. */
  readonly chunks: readonly Chunk[];
}

/** A piece of a file, stored under the fingerprint of its content. */
export interface Chunk extends StoredObject {
  readonly fingerprint: string;
}

export interface KnownDigest {
  readonly digest: TableDigest;
  /** A hash of the table's columns and their types. */
  readonly shape: string;
  /** The table's files, and those of its TOAST table. */
  readonly files: readonly string[];
}

const role = 'files';

/** Writes the index of a snapshot, and returns the member that its manifest has to name. */
export async function writeIndex(vault: Vault, id: string, index: FileIndex): Promise<Member> {
  const stored = await vault.write(memberKey(id, role), Buffer.from(JSON.stringify(index)));
  return { ...stored, role };
}

/** Reads the index of a snapshot. Rejects with BackupDamaged or ObjectMissing. */
export async function readIndex(vault: Vault, { id, objects }: Manifest): Promise<FileIndex> {
  const member = objects.find((object) => object.role === role);
  if (!member) throw new BackupDamaged(memberKey(id, 'manifest'), 'it names no index of files');
  const index = JSON.parse((await vault.readWhole(member)).toString('utf8')) as FileIndex;
  if (index.format !== 1) {
    throw new BackupDamaged(
      member.key,
      `its format is ${JSON.stringify(index.format)}, and this release reads 1`,
    );
  }
  return index;
}
