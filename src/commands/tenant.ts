import type { Database, Executor } from '../db/database.ts';
import { roleName } from '../db/roles.ts';
import { sql } from '../db/statement.ts';

/** A tenant as operators see it. */
export interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly suspended_at: Date | null;
  readonly created_at: Date;
  /** Logins of its own, in order of name. */
  readonly logins: readonly string[];
}

/** Makes a tenant; the same id and name again is no error. */
export async function createTenant(
  database: Database,
  rolePrefix: string,
  id: string,
  name: string,
): Promise<void> {
  await asOwner(database, rolePrefix, (owner) => owner.query(sql`select ops.create_tenant(${id}, ${name})`));
}

/** All tenants in order of id. */
export async function listTenants(database: Database, rolePrefix: string): Promise<Tenant[]> {
  const { rows } = await asOwner(database, rolePrefix, (owner) =>
    owner.query<Tenant>(sql`select * from ops.tenants order by id`),
  );
  return rows;
}

/** Locks a tenant out, or lets it in again. */
export async function setTenantSuspended(
  database: Database,
  rolePrefix: string,
  id: string,
  suspended: boolean,
): Promise<void> {
  await asOwner(database, rolePrefix, (owner) =>
    owner.query(sql`select ops.set_tenant_suspended(${id}, ${suspended})`),
  );
}

function asOwner<T>(
  database: Database,
  rolePrefix: string,
  work: (owner: Executor) => Promise<T>,
): Promise<T> {
  return database.transaction({ role: roleName(rolePrefix, 'owner') }, work);
}
