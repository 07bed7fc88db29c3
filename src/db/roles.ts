/** The cluster's roles, named by purpose. sql/roles.sql says what each may do. */
export type RoleName =
  | 'owner'
  | 'anon'
  | 'member'
  | 'service'
  | 'admin'
  | 'analyst'
  | 'operator'
  | 'worker'
  | 'search'
  | 'recorder'
  | 'jobs';

/** Every role of the cluster. */
export const roleNames: readonly RoleName[] = [
  'owner',
  'anon',
  'member',
  'service',
  'admin',
  'analyst',
  'operator',
  'worker',
  'search',
  'recorder',
  'jobs',
];

/** A role's name on the cluster, e.g. `lightning_owner`. */
export function roleName(prefix: string, role: RoleName): string {
  return `${prefix}_${role}`;
}

/** The names of all roles on the cluster. */
export function allRoleNames(prefix: string): string[] {
  return roleNames.map((role) => roleName(prefix, role));
}

/** Why DB_ROLE_PREFIX cannot be this, in a sentence; null: it can. */
export function rolePrefixProblem(prefix: string): string | null {
  const given = `DB_ROLE_PREFIX is ${JSON.stringify(prefix)}`;
  if (!/^[a-z][a-z0-9_]{0,40}$/.test(prefix)) {
    return `${given}; expected up to 41 lower case letters, digits and _, beginning with a letter`;
  }
  return `${prefix}_`.startsWith('pg_')
    ? `${given}; Postgres keeps names that begin with pg_ for itself`
    : null;
}

/**
 * Values for the placeholders of migrations: those of sql/, and `:KEEPER`, a role of earlier versions that migration 000001 gives three
 * tables to. They go to the owner instead. That migration takes the right to make tables from the role again, which the owner needs, so
 * the value gives it back.
 */
export function migrationPlaceholders(prefix: string): Record<string, string> {
  const owner = roleName(prefix, 'owner');
  return {
    ...rolePlaceholders(prefix),
    ':KEEPER': `${owner}; grant create on schema app_public to ${owner}`,
  };
}

/** Values for `:OWNER` and the other placeholders in sql/, in graphile-migrate's form. */
export function rolePlaceholders(prefix: string): Record<string, string> {
  return Object.fromEntries(roleNames.map((role) => [`:${role.toUpperCase()}`, roleName(prefix, role)]));
}
