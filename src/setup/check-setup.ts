import type { Client } from 'pg';
import { allRoleNames, roleName, rolePrefixProblem } from '../db/roles.ts';
import { sql } from '../db/statement.ts';
import type { LoginNames, SetupNames } from './setup-names.ts';

/** The oldest supported server: incremental backups came with it. */
const oldestVersion = 17;
/** The oldest supported pgvector: iterative scans of an index came with it. */
const oldestVector = [0, 8] as const;
/** Postgres cuts a longer name. */
const longestName = 63;

const loginKinds = ['api', 'migrate', 'worker', 'backup'] as const satisfies (keyof LoginNames)[];

/** Why these names cannot be used on any server, one sentence for each fault. */
export function nameProblems({ databaseName, rolePrefix, logins }: SetupNames): string[] {
  const prefix = rolePrefixProblem(rolePrefix);
  const problems = prefix === null ? [] : [prefix];
  const names: (readonly [option: string, name: string])[] = [
    ['--database', databaseName],
    ...loginKinds.map((kind) => [`--${kind}-login`, logins[kind]] as const),
  ];
  for (const [option, name] of names) {
    const given = `${option} is ${JSON.stringify(name)}`;
    const bytes = Buffer.byteLength(name);
    if (name === '' || name.includes('\0')) problems.push(`${given}; expected a name`);
    else if (bytes > longestName)
      problems.push(`${given}, which has ${bytes} bytes; expected at most ${longestName}`);
    else if (option === '--database' && /^template[01]$/.test(name))
      problems.push(`${given}, from which Postgres makes new databases; choose another name`);
    else if (option !== '--database' && (name.startsWith('pg_') || ['public', 'none'].includes(name)))
      problems.push(`${given}, which Postgres keeps for itself; choose another name`);
  }
  const roles = new Set(allRoleNames(rolePrefix));
  for (const [i, kind] of loginKinds.entries()) {
    const name = logins[kind];
    if (roles.has(name)) {
      problems.push(
        `${name} would be both a login (--${kind}-login) and one of the roles that DB_ROLE_PREFIX ${rolePrefix} makes; ` +
          `choose another --${kind}-login or DB_ROLE_PREFIX`,
      );
    }
    const same = loginKinds.slice(i + 1).find((other) => logins[other] === name);
    if (same !== undefined)
      problems.push(`--${kind}-login and --${same}-login are both ${name}; each needs a login of its own`);
  }
  return problems;
}

interface ServerRow {
  readonly version: string;
  readonly major: number;
  readonly vector: string | null;
  readonly standby: boolean;
  readonly read_only: boolean;
  readonly login: string;
  readonly is_super: boolean;
  readonly lacks: string[];
}

/** Why the server cannot be set up by this administrator, one sentence for each fault. Changes nothing. */
export async function serverProblems(admin: Client, names: SetupNames): Promise<string[]> {
  const { rows } = await admin.query<ServerRow>(
    sql`select current_setting('server_version') as version,
          current_setting('server_version_num')::int / 10000 as major,
          (select default_version from pg_available_extensions where name = 'vector') as vector,
          pg_is_in_recovery() as standby,
          current_setting('default_transaction_read_only')::boolean as read_only,
          r.rolname as login, r.rolsuper as is_super,
          array_remove(array[
            case when not r.rolcreaterole then 'CREATEROLE' end,
            case when not r.rolcreatedb and not exists (select from pg_database where datname = ${names.databaseName})
              then 'CREATEDB' end,
            case when not r.rolreplication and not exists (select from pg_roles where rolname = ${names.logins.backup})
              then 'REPLICATION' end
          ], null) as lacks
        from pg_roles r where r.rolname = current_user`,
  );
  const [found] = rows;
  if (found === undefined) throw new Error('the administrator is not among the roles of the server');
  const { version, major, vector, standby, read_only: readOnly, login, is_super: isSuper, lacks } = found;
  const problems: string[] = [];
  if (major < oldestVersion)
    problems.push(`the server is Postgres ${version}; expected ${oldestVersion} or newer`);
  if (vector === null) {
    problems.push(
      `the server lacks pgvector; install it there (on Debian: apt-get install postgresql-${major}-pgvector)`,
    );
  } else if (isOldVector(vector)) {
    problems.push(`the server has pgvector ${vector}; expected ${oldestVector.join('.')} or newer`);
  }
  if (standby) problems.push('the server is a standby, which takes no writes; name its primary');
  else if (readOnly) problems.push('the server has default_transaction_read_only on');
  if (!isSuper && lacks.length > 0)
    problems.push(`${login} of --admin-url is not an administrator: it lacks ${lacks.join(', ')}`);
  return [...problems, ...(await roleProblems(admin, names)), ...(await databaseProblems(admin, names))];
}

interface RoleRow {
  readonly name: string;
  readonly powers: string[];
  readonly can_login: boolean;
  /** Setup comments on the roles that it makes, in the same transaction. */
  readonly commented: boolean;
}

async function roleProblems(admin: Client, { rolePrefix, logins }: SetupNames): Promise<string[]> {
  const roles = allRoleNames(rolePrefix);
  const { rows } = await admin.query<RoleRow>(
    sql`select rolname as name, rolcanlogin as can_login, shobj_description(oid, 'pg_authid') is not null as commented,
          array_remove(array[
            case when rolsuper then 'SUPERUSER' end,
            case when rolreplication then 'REPLICATION' end,
            case when rolbypassrls then 'BYPASSRLS' end
          ], null) as powers
        from pg_roles where rolname = any (${[...roles, ...Object.values(logins)]}) order by rolname`,
  );
  return rows.flatMap(({ name, powers, can_login: canLogin, commented }) => {
    if (roles.includes(name)) {
      const away = 'choose another DB_ROLE_PREFIX';
      if (powers.length > 0) return [`the role ${name} exists and has ${powers.join(', ')}; ${away}`];
      return canLogin && !commented
        ? [`${name} exists, and is a login that setup did not make; ${away}`]
        : [];
    }
    const kind = loginKinds.find((each) => logins[each] === name) ?? 'api';
    const away = `choose another --${kind}-login`;
    if (!canLogin) return [`the role ${name} exists, and cannot log in; ${away}`];
    if (powers.includes('SUPERUSER')) return [`the login ${name} exists, and is a superuser; ${away}`];
    return [];
  });
}

interface DatabaseRow {
  readonly encoding: string;
  readonly allows: boolean;
  readonly invalid: boolean;
}

async function databaseProblems(admin: Client, { databaseName }: SetupNames): Promise<string[]> {
  const { rows } = await admin.query<DatabaseRow>(
    sql`select pg_encoding_to_char(encoding) as encoding, datallowconn as allows, datconnlimit = -2 as invalid
        from pg_database where datname = ${databaseName}`,
  );
  const [found] = rows;
  if (found === undefined) return [];
  if (found.invalid) return [`the database ${databaseName} is what an interrupted drop left; drop it`];
  if (!found.allows) return [`the database ${databaseName} exists, and allows no connections`];
  return found.encoding === 'UTF8'
    ? []
    : [`the database ${databaseName} has the encoding ${found.encoding}; expected UTF8`];
}

interface ContentRow {
  readonly vector_schema: string | null;
  readonly vector: string | null;
  readonly owner: string | null;
}

/** Why an existing database cannot be completed, one sentence for each fault. `client` is connected to it. */
export async function contentProblems(client: Client, names: SetupNames): Promise<string[]> {
  const { databaseName, rolePrefix } = names;
  const { rows } = await client.query<ContentRow>(
    sql`select
          (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector')
            as vector_schema,
          (select extversion from pg_extension where extname = 'vector') as vector,
          (select pg_get_userbyid(nspowner)::text from pg_namespace
            where nspname in ('app_public', 'app_private', 'ops', 'audit', 'legacy')
              and pg_get_userbyid(nspowner)::text <> ${roleName(rolePrefix, 'owner')}
            order by nspname limit 1) as owner`,
  );
  const [found] = rows;
  if (found === undefined) throw new Error('the question about the database returned no row');
  const problems: string[] = [];
  const { vector_schema: schema, vector, owner } = found;
  if (schema !== null && schema !== 'public') {
    problems.push(
      `the database ${databaseName} has pgvector in the schema ${schema}; expected public (alter extension vector set schema public)`,
    );
  }
  if (vector !== null && isOldVector(vector)) {
    problems.push(
      `the database ${databaseName} has pgvector ${vector}; expected ${oldestVector.join('.')} or newer (alter extension vector update)`,
    );
  }
  if (owner !== null) {
    problems.push(
      `the database ${databaseName} has schemas of ${owner}, not of ${roleName(rolePrefix, 'owner')}: ` +
        'choose another --database, or set DB_ROLE_PREFIX as it was',
    );
  }
  return problems;
}

function isOldVector(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < oldestVector[0] || (major === oldestVector[0] && minor < oldestVector[1]);
}
