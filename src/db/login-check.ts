import { OperationalError } from '../operational-error.ts';
import type { Executor } from './database.ts';
import type { Installation } from './installation.ts';
import { roleName } from './roles.ts';
import { sql } from './statement.ts';

/** The login may do more than a request may: serving under it would bypass every rule. */
export class UnsafeLogin extends OperationalError {
  override name = 'UnsafeLogin';
}

/** Postgres' own roles that amount to superuser: each of them gives access to the files of the data directory. */
const reachingTheServer = ['pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'];

/**
 * Throws UnsafeLogin when the database's login is a superuser, bypasses row-level security, owns a table, may
 * make roles, can reach the server's files, or may become a role for which one of these is true. The API calls
 * it before it serves.
 */
export async function refuseUnsafeLogin({
  database,
  rolePrefix,
}: Pick<Installation, 'rolePrefix'> & { readonly database: Executor }): Promise<void> {
  const { rows } = await database.query<{ login: string; role: string; reason: string }>(sql`
    select session_user as login, r.rolname as role,
      case
        when r.rolsuper then 'is a superuser'
        when r.rolbypassrls then 'bypasses row-level security'
        when r.rolcreaterole then 'may make roles'
        when r.rolreplication then 'may read the whole server as a replica'
        when r.rolname = any (${reachingTheServer}) then 'reaches the files and programs of the server'
        when r.rolname = ${roleName(rolePrefix, 'owner')} then 'is the owner of the database''s objects'
        else 'owns ' || o.relation
      end as reason
    from pg_catalog.pg_roles r
    left join lateral (
      select c.oid::regclass::text as relation
      from pg_catalog.pg_class c
      where c.relowner = r.oid and c.relkind in ('r', 'p', 'v', 'm')
      limit 1
    ) o on true
    where pg_catalog.pg_has_role(session_user, r.oid, 'member')
      and (
        r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication
        or r.rolname = any (${reachingTheServer}) or r.rolname = ${roleName(rolePrefix, 'owner')} or o.relation is not null
      )
    order by r.rolname = session_user desc, r.rolname = ${roleName(rolePrefix, 'owner')} desc, r.rolname
    limit 1`);
  const found = rows[0];
  if (!found) return;
  const how = found.role === found.login ? found.reason : `may become ${found.role}, which ${found.reason}`;
  throw new UnsafeLogin(
    `the API's login ${found.login} ${how}; it must be a plain login that may only switch to the request roles. ` +
      'Make one with: lightning setup --admin-url postgres://...',
  );
}
