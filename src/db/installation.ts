import type { Database } from './database.ts';
import { roleName } from './roles.ts';
import { scopedTo } from './scoped-database.ts';
import type { ScopedDatabase } from './scoped-database.ts';

/**
 * This program's schemas and roles in one database. Roles belong to the whole server, so two installations on
 * one server differ in their prefix. A door makes one from its configuration and closes the database.
 */
export interface Installation {
  readonly database: Database;
  /** The first part of the roles' names: `lightning` for `lightning_member` and its like. */
  readonly rolePrefix: string;
}

/** The installation with the rights of the owner of its objects. The login must be allowed to become it. */
export function asOwner({ database, rolePrefix }: Installation): ScopedDatabase {
  return scopedTo(database, { role: roleName(rolePrefix, 'owner') });
}
