import { listManifests, manifestName } from './manifest.ts';
import { listArchivedWal } from './server/wal/wal-archive.ts';
import { writeSignedList } from './signed-list.ts';
import type { Vault } from './vault.ts';

/** The number of manifests and of WAL files that were signed. */
export interface SignedStore {
  readonly backups: number;
  readonly wal: number;
}

/**
 * Vouches for everything in the store that no trusted key has signed, as it is now. Nothing is read, so the caller has
 * to trust the store. Changes nothing when all is signed.
 */
export async function signStore(vault: Vault, now: Date): Promise<SignedStore> {
  const backups = (await listManifests(vault)).map(({ id, manifestSha256, signature }) => ({
    name: manifestName(id, manifestSha256),
    signature,
  }));
  const unsignedBackups = await distrusted(vault, backups);
  const unsignedWal = await distrusted(vault, await listArchivedWal(vault));
  const names = [...unsignedBackups, ...unsignedWal];
  if (names.length > 0) await writeSignedList(vault.store, vault.signatures, names, now);
  return { backups: unsignedBackups.length, wal: unsignedWal.length };
}

async function distrusted(
  vault: Vault,
  named: readonly { readonly name: string; readonly signature: string | undefined }[],
): Promise<string[]> {
  const names: string[] = [];
  for (const { name, signature } of named) {
    if ((await vault.distrust(name, signature)) !== null) names.push(name);
  }
  return names;
}
