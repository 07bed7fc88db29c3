import { stat } from 'node:fs/promises';
import type { BackupConfig } from '../../config/config.ts';
import { OperationalError } from '../../operational-error.ts';
import type { EncryptionKey } from '../envelope.ts';
import { makeSignatures } from '../signatures.ts';
import type { Signatures } from '../signatures.ts';
import { makeVault } from '../vault.ts';
import type { Vault } from '../vault.ts';
import { DirectoryStore } from './directory-store.ts';
import type { S3Waits } from './s3-client.ts';
import type { Store } from './store.ts';

/** No store is configured to keep backups in, or the one to read them from does not exist. */
export class NoBackupStore extends OperationalError {
  override name = 'NoBackupStore';
}

/** Opens a store anew, with the patience that the work needs. */
export type OpenVault = (waits?: Partial<S3Waits>) => Promise<Vault>;

/**
 * The configured store, encrypted and signed if there are keys. Nothing is read or written yet. `waits`: the waits for
 * object storage that differ from the default.
 */
export async function openVault(config: BackupConfig, waits: Partial<S3Waits> = {}): Promise<Vault> {
  const { encryptionKey, signatures } = backupKeys(config);
  return makeVault(await openStore(config.store, waits), encryptionKey, signatures);
}

/** The keys of backups, which also encrypt and sign exports. */
export interface BackupKeys {
  /** Null: there is none. */
  readonly encryptionKey: EncryptionKey | null;
  readonly signatures: Signatures;
}

/** The configured keys of backups. */
export function backupKeys({ encryptionKey, signingKey, publicKeys }: BackupConfig): BackupKeys {
  return {
    encryptionKey: encryptionKey && decodeKey(encryptionKey.reveal()),
    signatures: makeSignatures(signingKey, publicKeys),
  };
}

/**
 * Rejects with NoBackupStore when the store is a directory that does not exist. Reading needs this: a directory is made
 * by the first backup, so one with a mistake in its name would look like a store without backups.
 */
export async function refuseMissing({ store }: BackupConfig): Promise<void> {
  if (store?.kind !== 'directory') return;
  const found = await stat(store.path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
  if (found?.isDirectory()) return;
  throw new NoBackupStore(
    `${store.path} is not a directory: BACKUP_STORE names another place than the backups are in, or lightning backup has made none yet`,
  );
}

async function openStore(location: BackupConfig['store'], waits: Partial<S3Waits>): Promise<Store> {
  if (location === null) {
    throw new NoBackupStore('BACKUP_STORE is missing: set it to a directory or to s3://bucket/prefix');
  }
  switch (location.kind) {
    case 'directory':
      return new DirectoryStore(location.path);
    case 's3':
      // Loaded on demand: loading the AWS client takes a third of a second.
      return new (await import('./s3-store.ts')).S3Store(location, waits);
    default:
      return location satisfies never;
  }
}

function decodeKey(text: string): Buffer {
  return Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? 'hex' : 'base64');
}
