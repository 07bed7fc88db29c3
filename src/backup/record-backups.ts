import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { readManifests } from './manifest.ts';
import type { Vault } from './vault.ts';

/**
 * Takes over into ops.backups what the store holds. Gives the ids of the backups whose manifest is another than the one that was
 * recorded first: somebody changed it. While a manifest cannot be read nothing is recorded, lest its backup count as removed.
 */
export async function recordBackups(executor: Executor, vault: Vault): Promise<readonly string[]> {
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
  return changed.map(({ id }) => id);
}
