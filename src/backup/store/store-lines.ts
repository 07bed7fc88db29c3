import { line } from '../../status-line.ts';
import type { StatusLine } from '../../status-line.ts';
import { listManifests, readManifest } from '../manifest.ts';
import type { Vault } from '../vault.ts';
import type { OpenVault } from './open-store.ts';

/** Short waits, because somebody is looking at the screen. */
const waits = { silenceMs: 10_000, attempts: 2, callMs: 20_000 };

/**
 * Whether the store can be listed and the newest manifest read: a wrong key shows here. No other object is read. Then how
 * what is stored is protected, with the public key to keep elsewhere.
 */
export async function storeLines(openVault: OpenVault): Promise<readonly StatusLine[]> {
  try {
    const vault = await openVault(waits);
    const backups = await listManifests(vault);
    const newest = backups.at(-1);
    if (newest) await readManifest(vault, newest);
    return [line('backup store', true, `${vault.store.name}, ${backups.length} backups`), keysLine(vault)];
  } catch (error) {
    return [
      line(
        'backup store',
        false,
        error instanceof Error ? error.message : String(error),
        'see docs/backup.md',
      ),
    ];
  }
}

function keysLine({ encrypts, signatures }: Vault): StatusLine {
  return line(
    'backup keys',
    true,
    [
      encrypts ? 'encrypted' : 'in the clear, so whoever reads the store reads every row',
      signatures.publicKey === null
        ? 'not signed, so whoever writes to the store can change them unseen'
        : `signed, public key ${signatures.publicKey}`,
    ].join('; '),
  );
}
