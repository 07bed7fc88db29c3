import type { RoleName } from './roles.ts';

/** The four logins of an installation on a server. */
export type LoginKind = 'api' | 'migrate' | 'worker' | 'backup';

/** A membership of a login in a role. */
export interface Membership {
  readonly role: RoleName;
  /** Whether the login has the role's rights without switching to it. */
  readonly inherit: boolean;
  /** Whether the login may switch to the role. */
  readonly set: boolean;
  /** Whether the login may grant the role to others. */
  readonly admin: boolean;
}

/** The rights that `lightning setup` gives a login, and that its work cannot do without. */
export interface LoginNeeds {
  readonly memberships: readonly Membership[];
  /** The attributes of the login, in SQL. */
  readonly attributes: readonly ('createrole' | 'replication')[];
  /** The rights on the database. */
  readonly privileges: readonly ('connect' | 'temporary')[];
  /** The functions of Postgres that PUBLIC lost (sql/database.sql) and the login calls without switching to a role. */
  readonly functions: readonly string[];
  /** The parameters that it puts on other logins and that only a superuser could set. Granted where the administrator may. */
  readonly parameters: readonly 'temp_file_limit'[];
}

/** Whether a silent connection of its own is still worked on: src/db/is-worked-on.ts. */
const ownSessions = 'pg_catalog.pg_stat_get_activity(integer)';

/** A login that may switch to the role, and has none of the role's rights until it does. */
const switching = (role: RoleName): Membership => ({ role, inherit: false, set: true, admin: false });

/** The needs of each login. Setup grants them; `status` and `migrate` compare them with the server. */
export const loginNeeds: Readonly<Record<LoginKind, LoginNeeds>> = {
  api: {
    memberships: [
      switching('anon'),
      switching('member'),
      switching('service'),
      switching('admin'),
      // For requests of operators, which belong to no tenant.
      switching('operator'),
    ],
    attributes: [],
    privileges: ['connect'],
    functions: [ownSessions],
    parameters: [],
  },
  migrate: {
    memberships: [
      switching('owner'),
      // The operator runs imports: they are staged in temporary tables, and stored as a tenant's service.
      switching('anon'),
      // And for making services' logins.
      { ...switching('service'), admin: true },
      // For making analysts' logins: this login may grant the group, but has no use of it itself.
      { role: 'analyst', inherit: false, set: false, admin: true },
    ],
    attributes: ['createrole'],
    privileges: ['connect', 'temporary'],
    functions: [ownSessions],
    parameters: ['temp_file_limit'],
  },
  worker: {
    memberships: [{ role: 'worker', inherit: true, set: true, admin: false }],
    attributes: [],
    privileges: ['connect'],
    functions: [],
    parameters: [],
  },
  backup: {
    memberships: [],
    attributes: ['replication'],
    privileges: ['connect'],
    // A drill marks the moment that it compares with.
    functions: [ownSessions, 'pg_catalog.pg_logical_emit_message(boolean, text, text, boolean)'],
    parameters: [],
  },
};
