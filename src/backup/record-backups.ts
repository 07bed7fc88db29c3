import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { readManifests } from './manifest.ts';
import type { Vault } from './vault.ts';

/**
 * Makes ops.backups agree with the store. Returns a sentence that names the backups whose manifest differs from the
 * one first recorded; null: none differs. While a manifest cannot be read, nothing is recorded, because its backup
 * would count as removed: rejects with BackupDamaged.
 */
export async function recordBackups(executor: Executor, vault: Vault): Promise<string | null> {
  const { manifests, damaged } = await readManifests(vault);
  const [first] = damaged;
  if (first) throw first;
  const rows = manifests.map(({ id, manifestSha256, manifest }) => ({
    id,
    kind: manifest.kind,
    parentId: manifest.parent?.id ?? null,
    startedAt: manifest.startedAt,
    endedAt: manifest.endedAt,
    objects: manifest.objects.length,
    bytes: manifest.objects.reduce((sum, { bytes }) => sum + bytes, 0),
    storedBytes: manifest.objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    manifestSha256,
    server: manifest.server,
  }));
  const { rows: changed } = await executor.query<{ id: string }>(
    sql`select id from ops.record_backups(${JSON.stringify(rows)}::jsonb) as id`,
  );
  if (changed.length === 0) return null;
  return (
    `${changed.map(({ id }) => id).join(', ')} in ${vault.store.name} has another manifest than ops.backups recorded: ` +
    'somebody changed it'
  );
}
