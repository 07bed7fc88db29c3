import { parsePostgrestConfig } from '../../../src/postgrest/config.ts';
import type { PostgrestConfig } from '../../../src/postgrest/config.ts';

/** The secret that signs the suite's tokens. */
export const conformanceSecret = 'the secret of the conformance suite, of 32 bytes and more';

/**
 * The suite's configuration, with a case's options in place of its own. The options have PostgREST's own names, as
 * environment variables, so that a case writes them as an operator would. Everything is rolled
 * back unless a case says otherwise.
 */
export function conformanceConfig(options: ReadonlyMap<string, string>): PostgrestConfig {
  const all = new Map([
    ['db-uri', 'postgres://localhost/unused'],
    ['db-schemas', 'cinema'],
    ['db-extra-search-path', 'ext'],
    ['db-anon-role', 'conf_anon'],
    ['db-aggregates-enabled', 'true'],
    ['db-plan-enabled', 'true'],
    ['db-tx-end', 'rollback'],
    ['jwt-secret', conformanceSecret],
    ...options,
  ]);
  const env = Object.fromEntries(
    [...all].map(([name, value]) => [`PGRST_${name.toUpperCase().replaceAll(/[-.]/g, '_')}`, value]),
  );
  return parsePostgrestConfig({
    env,
    file: new Map(),
    database: new Map(),
    readFile: (file) => {
      throw new Error(`no case reads a file, and this one wants ${file}`);
    },
  });
}
