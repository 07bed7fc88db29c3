/** The tenant of every actor under test, and the tenant that they must never see. */
export const own = 'acme';
export const other = 'rival';
/** A tenant that has data too, and is locked out. */
export const suspended = 'locked_out';

/**
 * The actors of the tests of access. The login of backups is not listed: it reads every row
 * (test/db/tenancy/tenancy.test.ts checks it on its own).
 */
export const actorNames = [
  'anon',
  'member',
  'service',
  'service login',
  'admin',
  'analyst',
  'unbound',
  'suspended',
  'operator',
  'worker',
  'api',
  'migrate',
  'owner',
  'search',
  'jobs',
  'definer',
] as const;
export type ActorName = (typeof actorNames)[number];
