import { tenantRoles } from '../../auth/claims.ts';

/**
 * PostGraphile leaves out of the schema what the introspecting role may not do. Requests come as several roles, and
 * they all see one schema: everything that any of them may do. Postgres decides at each request whether its role may.
 *
 * Introspection runs as the anonymous role. So the snapshot (not the database) counts the grants of the other roles
 * as grants to the anonymous one.
 *
 * @param rolePrefix prefix of the roles' names; it needs no quotes (see parseConfig)
 */
export function makeShowWhatAnyRoleMayDoPlugin(rolePrefix: string): GraphileConfig.Plugin {
  const grantee = new RegExp(`^${rolePrefix}_(?:${tenantRoles.join('|')})=`);
  const merge = (acl: readonly string[] | null): string[] | null =>
    acl && acl.map((entry) => entry.replace(grantee, `${rolePrefix}_anon=`));
  return {
    name: 'ShowWhatAnyRoleMayDoPlugin',
    version: '1.0.0',
    gather: {
      hooks: {
        pgIntrospection_introspection(_info, { introspection }) {
          for (const entity of introspection.classes) entity.relacl = merge(entity.relacl);
          for (const entity of introspection.attributes) entity.attacl = merge(entity.attacl);
          for (const entity of introspection.procs) entity.proacl = merge(entity.proacl);
        },
      },
    },
  };
}
