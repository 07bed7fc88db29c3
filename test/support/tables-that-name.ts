import type { Client } from 'pg';
import { expect } from 'vitest';

/** What may go on to name a deleted tenant; the command prints these. */
export const named = /^(?:audit\.|ops\.(?:tenant_removals|job_runs|alerts)$)/;

/** Tables that have something of the tenant in any column, as a text. Partitions by their own names. */
export async function tablesThatName(admin: Client, tenant: string): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(`
    select c.oid::regclass::text as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') order by 1`);
  expect(rows.length).toBeGreaterThan(40);
  const found: string[] = [];
  for (const { name } of rows) {
    const { rowCount } = await admin.query(`select from ${name} t where strpos(t::text, $1) > 0 limit 1`, [
      tenant,
    ]);
    if (rowCount !== 0) found.push(name);
  }
  return found;
}
