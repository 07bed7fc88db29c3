/** The cluster's roles, named by purpose. sql/roles.sql says what each may do. */
export type RoleName =
  'owner' | 'anon' | 'member' | 'service' | 'admin' | 'analyst' | 'operator' | 'worker' | 'search' | 'keeper';

const roleNames: readonly RoleName[] = [
  'owner',
  'anon',
  'member',
  'service',
  'admin',
  'analyst',
  'operator',
  'worker',
  'search',
  'keeper',
];

/** A role's name on the cluster, e.g. `lightning_owner`. */
export function roleName(prefix: string, role: RoleName): string {
  return `${prefix}_${role}`;
}

/** Values for `:OWNER` and the other placeholders in migrations and in sql/, in graphile-migrate's form. */
export function rolePlaceholders(prefix: string): Record<string, string> {
  return Object.fromEntries(roleNames.map((role) => [`:${role.toUpperCase()}`, roleName(prefix, role)]));
}
