import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { auditTables, replacedTables } from './left-out.ts';
import { whereOf } from './lines.ts';
import type { Target } from './load-plan.ts';
import { ExportRefused } from './manifest.ts';
import type { Manifest } from './manifest.ts';

/** The tenant that every database has, with nothing in it at first. */
const firstTenant = 'default';
const tenantsTable = 'app_public.tenants';

/** Refuses a tenant that exists. The first one may exist without data, which `makeRoom` looks at. */
export async function refuseExistingTenant(executor: Executor, tenant: string | null): Promise<void> {
  if (tenant === null || tenant === firstTenant) return;
  const { rows } = await executor.query(sql`select from ops.tenants t where t.id = ${tenant}`);
  if (rows.length > 0) {
    throw new ExportRefused(
      `tenant ${tenant} exists already: an export is loaded into a database without its tenants`,
    );
  }
}

/**
 * Refuses a database with data of the tenants of the export, and removes what every new database has: its first tenant, and settings
 * that the export has as well. The tables are open for the role.
 */
export async function makeRoom(
  executor: Executor,
  { tenant }: Manifest,
  targets: readonly Target[],
): Promise<void> {
  const hasTenants = targets.some(({ table }) => table.name === tenantsTable);
  const isReplaced = ({ table }: Target): boolean => tenant === null && replacedTables.has(table.name);
  for (const target of targets) {
    const { table } = target;
    if (isReplaced(target) || table.name === 'audit.log') continue;
    const scope = whereOf(table, tenant);
    const ours =
      table.name === tenantsTable
        ? `${scope === '' ? 'where' : `${scope} and`} t.id <> '${firstTenant}'`
        : scope;
    const { rows } = await executor.query({ text: `select from ${table.relation} t ${ours} limit 1` });
    if (rows.length === 0) continue;
    throw new ExportRefused(
      auditTables.includes(table.name)
        ? 'the database has sealed its own audit log: an export with --audit is loaded into a database whose worker has not run yet'
        : `${table.name} has rows${tenant === null ? '' : ` of the tenant ${tenant}`} already: an export is loaded into a database without data of its tenants`,
    );
  }
  if (hasTenants && (tenant === null || tenant === firstTenant)) {
    await executor.query(sql`delete from app_public.tenants where id = ${firstTenant}`);
  }
  for (const { table } of targets.filter(isReplaced)) {
    await executor.query({ text: `delete from ${table.relation}` });
  }
}

/**
 * Makes room in the audit log for one that comes: the entries that the database has of its own, of how it was made, get numbers and
 * a transaction behind those that come. Entries of tables that are loaded go, because the log that comes has the whole story of
 * their rows. The sequence has been moved on.
 */
export async function moveOwnEntries(executor: Executor, targets: readonly Target[]): Promise<void> {
  await executor.query(
    sql`delete from audit.log where table_name = any (${targets.map(({ table }) => table.name)})`,
  );
  await executor.query(sql`update audit.log set id = default, transaction_id = pg_current_xact_id()`);
}
