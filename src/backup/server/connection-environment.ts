import type { ClientConfig } from 'pg';
import { parametersOf } from '../../db/tls.ts';

/**
 * The environment in which Postgres's programs find the server: a connection string as `PG*` variables, so that a
 * password never stands on a command line for others to see.
 */
export function connectionEnvironment(
  connectionString: string,
  ssl: ClientConfig['ssl'],
  applicationName: string,
): NodeJS.ProcessEnv {
  const url = new URL(connectionString);
  const host = url.searchParams.get('host') ?? url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    ...(host !== '' && { PGHOST: host }),
    ...(url.port !== '' && { PGPORT: url.port }),
    PGUSER: decodeURIComponent(url.username),
    PGPASSWORD: decodeURIComponent(url.password),
    PGDATABASE: decodeURIComponent(url.pathname.slice(1)),
    PGAPPNAME: applicationName,
    PGCONNECT_TIMEOUT: '10',
    ...sslVariables(ssl),
  };
}

function sslVariables(ssl: ClientConfig['ssl']): NodeJS.ProcessEnv {
  if (ssl === undefined) return {};
  const tls = parametersOf(ssl);
  if (tls === null) return { PGSSLMODE: ssl === false ? 'disable' : 'verify-full' };
  // Without a file, libpq would look for one in the home directory, and Node verifies against public authorities.
  const rootCertificate = tls.rootCertificate ?? (tls.mode === 'verify-full' ? 'system' : null);
  return {
    PGSSLMODE: tls.mode,
    ...(rootCertificate !== null && { PGSSLROOTCERT: rootCertificate }),
    ...(tls.certificate !== null && { PGSSLCERT: tls.certificate }),
    ...(tls.key !== null && { PGSSLKEY: tls.key }),
  };
}
