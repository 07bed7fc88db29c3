import { OperationalError } from '../operational-error.ts';
import type { Executor } from './database.ts';
import { loginNeeds } from './login-needs.ts';
import type { LoginKind, Membership } from './login-needs.ts';
import { roleName, roleNames } from './roles.ts';
import type { RoleName } from './roles.ts';
import { sql } from './statement.ts';

/** The server lacks something that `lightning setup` of this version makes. Nothing was changed. */
export class ServerNotPrepared extends OperationalError {
  override name = 'ServerNotPrepared';

  constructor(missing: readonly string[], databaseName: string) {
    super(
      `the server was set up by another version, and lacks ${missing.join(', ')}; nothing was changed. First: ${setupCommand(databaseName)}`,
    );
  }
}

/** The command that completes a server. */
export function setupCommand(databaseName: string): string {
  return (
    `lightning setup --admin-url postgres://... --database ${databaseName}, ` +
    'with the same DB_ROLE_PREFIX and names of logins as before'
  );
}

/** The memberships of roles in each other, from sql/roles.sql. */
const roleMemberships: readonly { readonly member: RoleName; readonly membership: Membership }[] = [
  { member: 'owner', membership: { role: 'search', inherit: false, set: true, admin: false } },
  { member: 'owner', membership: { role: 'jobs', inherit: false, set: true, admin: false } },
];

/** The roles with rights on the database, from sql/database.sql. */
const rolePrivileges: readonly { readonly role: RoleName; readonly privilege: string }[] = [
  { role: 'owner', privilege: 'create' },
  { role: 'owner', privilege: 'connect' },
  { role: 'analyst', privilege: 'connect' },
  { role: 'service', privilege: 'connect' },
  { role: 'operator', privilege: 'connect' },
  { role: 'worker', privilege: 'connect' },
];

/** Rights on the database that earlier versions gave, and sql/database.sql takes away. */
const withdrawnPrivileges: readonly { readonly role: RoleName; readonly privilege: string }[] = [
  { role: 'worker', privilege: 'create' },
];

/** The settings of the database, from sql/database.sql. An operator may have chosen other values. */
const databaseSettings = ['search_path', 'jit'];

/**
 * What the server and the database lack of that which sql/roles.sql and sql/database.sql make, in words. Empty: nothing.
 * Any login may ask. What only a superuser can make (the event trigger, pg_read_all_stats) counts for nothing, and
 * rights of PUBLIC only where a superuser set the database up.
 */
export async function missingPreparations(executor: Executor, rolePrefix: string): Promise<string[]> {
  const roles = await missingRoles(executor, rolePrefix);
  const lacking = new Set(roles);
  const name = (role: RoleName): string => roleName(rolePrefix, role);
  const wanted = roleMemberships
    .filter(({ member, membership }) => !lacking.has(name(member)) && !lacking.has(name(membership.role)))
    .map(({ member, membership }) => ({ member: name(member), ...membership }));
  return [
    ...roles.map((role) => `role ${role}`),
    ...(await missingMemberships(executor, rolePrefix, wanted)),
    ...(await missingPrivileges(
      executor,
      rolePrivileges
        .filter(({ role }) => !lacking.has(name(role)))
        .map(({ role, privilege }) => ({ role: name(role), privilege })),
    )),
    ...(await presentPrivileges(
      executor,
      withdrawnPrivileges
        .filter(({ role }) => !lacking.has(name(role)))
        .map(({ role, privilege }) => ({ role: name(role), privilege })),
    )),
    ...(await missingInDatabase(executor)),
    ...(await missingWithdrawals(executor)),
  ];
}

async function missingWithdrawals(executor: Executor): Promise<string[]> {
  const { open, closable } = await publicRightsIn(executor);
  return closable ? open.map((what) => `the withdrawal of PUBLIC's right to ${what}`) : [];
}

/**
 * What a login lacks of the rights that its work needs, in words. Empty: nothing, or the server has no such login.
 * Roles that do not exist are left to `missingPreparations`.
 */
export async function missingRights(
  executor: Executor,
  rolePrefix: string,
  login: string,
  kind: LoginKind,
): Promise<string[]> {
  const { memberships, attributes, privileges, functions } = loginNeeds[kind];
  const { rows } = await executor.query<{ createrole: boolean; replication: boolean }>(sql`
    select rolsuper or rolcreaterole as createrole, rolsuper or rolreplication as replication
    from pg_catalog.pg_roles where rolname = ${login}`);
  const [found] = rows;
  if (!found) return [];
  const lacking = new Set(await missingRoles(executor, rolePrefix));
  const wanted = memberships
    .filter(({ role }) => !lacking.has(roleName(rolePrefix, role)))
    .map((membership) => ({ member: login, ...membership }));
  return [
    ...attributes.filter((attribute) => !found[attribute]).map((attribute) => `the attribute ${attribute}`),
    ...(await missingMemberships(executor, rolePrefix, wanted)),
    ...(await missingPrivileges(
      executor,
      privileges.map((privilege) => ({ role: login, privilege })),
    )),
    ...(await missingFunctions(executor, login, functions)),
  ];
}

async function missingFunctions(
  executor: Executor,
  login: string,
  functions: readonly string[],
): Promise<string[]> {
  const { rows } = await executor.query<{ name: string }>(sql`
    select name from pg_catalog.unnest(${functions}::text[]) name
    where not pg_catalog.has_function_privilege(${login}, name, 'execute')
    order by name`);
  return rows.map(({ name }) => `the right of ${login} to execute ${name}`);
}

/** The rights of PUBLIC that sql/database.sql takes away, in words, each with a function that stands for it. */
const publicRights: readonly { readonly what: string; readonly example: string }[] = [
  { what: 'large objects', example: 'pg_catalog.lo_from_bytea(oid, bytea)' },
  { what: 'advisory locks', example: 'pg_catalog.pg_advisory_lock(bigint)' },
  {
    what: 'messages in the WAL',
    example: 'pg_catalog.pg_logical_emit_message(boolean, text, bytea, boolean)',
  },
  { what: 'pg_notify', example: 'pg_catalog.pg_notify(text, text)' },
  { what: 'statistics', example: 'pg_catalog.pg_stat_get_activity(integer)' },
];

/** The rights of PUBLIC that setup takes away, and that this database still gives to every login. */
export interface PublicRights {
  readonly open: readonly string[];
  /** Whether the administrator who set the database up is a superuser, and so can take them away. */
  readonly closable: boolean;
}

/** What every login may do here that sql/database.sql would take away. Any login may ask. */
export async function publicRightsIn(executor: Executor): Promise<PublicRights> {
  const { rows } = await executor.query<{ open: string[]; closable: boolean }>(sql`
    select
      coalesce((
        select pg_catalog.array_agg(what order by n)
        from rows from (
          pg_catalog.unnest(${publicRights.map(({ what }) => what)}::text[]),
          pg_catalog.unnest(${publicRights.map(({ example }) => example)}::text[])
        ) with ordinality wanted(what, example, n)
        where pg_catalog.has_function_privilege('public', example, 'execute')
      ), '{}') as open,
      coalesce((
        select r.rolsuper from pg_catalog.pg_proc p join pg_catalog.pg_roles r on r.oid = p.proowner
        where p.oid = pg_catalog.to_regprocedure('public.tg__notify_catalog_change()')
      ), false) as closable`);
  return rows[0] ?? { open: [], closable: false };
}

async function missingRoles(executor: Executor, rolePrefix: string): Promise<string[]> {
  const { rows } = await executor.query<{ role: string }>(sql`
    select role from pg_catalog.unnest(${roleNames.map((role) => roleName(rolePrefix, role))}::text[]) role
    where not exists (select from pg_catalog.pg_roles r where r.rolname = role)
    order by role`);
  return rows.map(({ role }) => role);
}

async function missingMemberships(
  executor: Executor,
  rolePrefix: string,
  wanted: readonly (Membership & { readonly member: string })[],
): Promise<string[]> {
  const asked = wanted.map(({ member, role, inherit, set, admin }) => ({
    member,
    role: roleName(rolePrefix, role),
    inherit,
    may_set: set,
    admin,
  }));
  const { rows } = await executor.query<{ member: string; role: string }>(sql`
    select member, role
    from pg_catalog.jsonb_to_recordset(${JSON.stringify(asked)}::jsonb)
      as wanted(member text, role text, inherit boolean, may_set boolean, admin boolean)
    where inherit and not pg_catalog.pg_has_role(member, role, 'usage')
      or may_set and not pg_catalog.pg_has_role(member, role, 'set')
      or admin and not pg_catalog.pg_has_role(member, role, 'member with admin option')
    order by member, role`);
  return rows.map(({ member, role }) => `the membership of ${member} in ${role}`);
}

async function missingPrivileges(
  executor: Executor,
  wanted: readonly { readonly role: string; readonly privilege: string }[],
): Promise<string[]> {
  const { rows } = await executor.query<{ role: string; privilege: string }>(sql`
    select role, privilege
    from pg_catalog.jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as wanted(role text, privilege text)
    where not pg_catalog.has_database_privilege(role, pg_catalog.current_database(), privilege)
    order by role, privilege`);
  return rows.map(({ role, privilege }) => `the right of ${role} to ${privilege} in this database`);
}

async function presentPrivileges(
  executor: Executor,
  withdrawn: readonly { readonly role: string; readonly privilege: string }[],
): Promise<string[]> {
  const { rows } = await executor.query<{ role: string; privilege: string }>(sql`
    select role, privilege
    from pg_catalog.jsonb_to_recordset(${JSON.stringify(withdrawn)}::jsonb) as withdrawn(role text, privilege text)
    where pg_catalog.has_database_privilege(role, pg_catalog.current_database(), privilege)
    order by role, privilege`);
  return rows.map(
    ({ role, privilege }) => `the withdrawal of the right of ${role} to ${privilege} in this database`,
  );
}

async function missingInDatabase(executor: Executor): Promise<string[]> {
  const { rows } = await executor.query<{ what: string }>(sql`
    select 'the extension vector' as what
    where not exists (select from pg_catalog.pg_extension where extname = 'vector')
    union all
    select 'the setting ' || name || ' of this database'
    from pg_catalog.unnest(${databaseSettings}::text[]) name
    where not exists (
      select from pg_catalog.pg_db_role_setting s
      join pg_catalog.pg_database d on d.oid = s.setdatabase and s.setrole = 0
      cross join pg_catalog.unnest(s.setconfig) setting
      where d.datname = pg_catalog.current_database() and pg_catalog.starts_with(setting, name || '=')
    )
    union all
    select 'the schema graphile_worker'
    where pg_catalog.to_regnamespace('graphile_worker') is null
    union all
    select 'the function public.tg__notify_catalog_change'
    where pg_catalog.to_regprocedure('public.tg__notify_catalog_change()') is null`);
  return rows.map(({ what }) => what);
}
