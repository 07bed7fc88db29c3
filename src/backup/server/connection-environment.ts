import type { ClientConfig } from 'pg';

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
  if (ssl === undefined || ssl === false) return {};
  const verify = ssl === true || ssl.rejectUnauthorized !== false;
  // The system's authorities, against which Node verifies, too.
  return verify ? { PGSSLMODE: 'verify-full', PGSSLROOTCERT: 'system' } : { PGSSLMODE: 'require' };
}
