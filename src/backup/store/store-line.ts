import { line } from '../../status-line.ts';
import type { StatusLine } from '../../status-line.ts';
import { listManifests } from '../manifest.ts';
import type { OpenVault } from './open-store.ts';

/** Short waits, because somebody is looking at the screen. */
const waits = { silenceMs: 10_000, attempts: 2, callMs: 20_000 };

/** Whether the store can be listed; the content of its objects is not read. */
export async function storeLine(openVault: OpenVault): Promise<StatusLine> {
  try {
    const vault = await openVault(waits);
    const backups = await listManifests(vault);
    return line('backup store', true, `${vault.store.name}, ${backups.length} backups`);
  } catch (error) {
    return line(
      'backup store',
      false,
      error instanceof Error ? error.message : String(error),
      'see docs/backup.md',
    );
  }
}
