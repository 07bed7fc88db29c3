import type { BackupConfig } from '../../config/config.ts';
import { OperationalError } from '../../operational-error.ts';
import { makeVault } from '../vault.ts';
import type { Vault } from '../vault.ts';
import { DirectoryStore } from './directory-store.ts';
import type { S3Waits } from './s3-client.ts';
import type { Store } from './store.ts';

/** No store is configured to keep backups in, or to read them from. */
export class NoBackupStore extends OperationalError {
  override name = 'NoBackupStore';
}

/** Opens a store anew, with the patience that the work needs. */
export type OpenVault = (waits?: Partial<S3Waits>) => Promise<Vault>;

/**
 * The configured store, encrypted if there is a key. Nothing is read or written yet. `waits`: the waits for object
 * storage that differ from the default.
 */
export async function openVault(
  { store, encryptionKey }: BackupConfig,
  waits: Partial<S3Waits> = {},
): Promise<Vault> {
  const key = encryptionKey && decodeKey(encryptionKey.reveal());
  return makeVault(await openStore(store, waits), key);
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
