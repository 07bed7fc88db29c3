/**
 * Takes functions out of the snapshot that operators may not execute, before PostGraphile looks at their types: the
 * schema `ops` has functions of the worker and the API, with types that GraphQL has no form for.
 *
 * @param rolePrefix prefix of the roles' names; it needs no quotes (see parseConfig)
 */
export function makeHideWhatOperatorsMayNotCallPlugin(rolePrefix: string): GraphileConfig.Plugin {
  const granted = new RegExp(`^${rolePrefix}_operator=X`);
  return {
    name: 'HideWhatOperatorsMayNotCallPlugin',
    version: '1.0.0',
    gather: {
      hooks: {
        pgIntrospection_introspection(_info, { introspection }) {
          introspection.procs = introspection.procs.filter(
            (proc) =>
              proc.getNamespace()?.nspname !== 'ops' || proc.proacl?.some((entry) => granted.test(entry)),
          );
        },
      },
    },
  };
}
