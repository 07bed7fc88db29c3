/** The cluster's roles by what they are for; see sql/roles.sql for what each may do. */
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

/** What `:OWNER` and the other names in migrations and in sql/ stand for, in graphile-migrate's form. */
export function rolePlaceholders(prefix: string): Record<string, string> {
  return Object.fromEntries(roleNames.map((role) => [`:${role.toUpperCase()}`, roleName(prefix, role)]));
}
