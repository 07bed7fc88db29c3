import { OperationalError } from '../operational-error.ts';

/** The parameters of a connection by libpq's names, such as `host` and `sslmode`. */
export type ConnectionParameters = ReadonlyMap<string, string>;

/** A connection string that libpq would refuse, too. The message never shows it, because it may hold a password. */
export class ConnectionStringError extends OperationalError {
  override name = 'ConnectionStringError';
}

/** libpq's environment variables for the parameters that are supported here. */
const variables: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  options: 'PGOPTIONS',
  application_name: 'PGAPPNAME',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  sslmode: 'PGSSLMODE',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslrootcert: 'PGSSLROOTCERT',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  service: 'PGSERVICE',
};

/**
 * The parameters of a connection string, in either of libpq's forms (PostgreSQL, 32.1.1): a URI, any part of which
 * may be missing, or `keyword=value` pairs. An absent or empty parameter comes from libpq's variables. Throws
 * ConnectionStringError.
 */
export function parseConnectionString(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): ConnectionParameters {
  const given = /^postgres(?:ql)?:\/\//.test(text) ? parseUri(text) : parsePairs(text);
  const parameters = new Map([...given].filter(([, value]) => value !== ''));
  for (const [name, variable] of Object.entries(variables)) {
    const value = env[variable];
    if (!parameters.has(name) && value !== undefined && value !== '') parameters.set(name, value);
  }
  return parameters;
}

function parseUri(text: string): Map<string, string> {
  // Split as libpq splits it: everything up to an @ before any slash is the user, whatever it contains.
  const [, user, password, hosts = '', database = '', query = ''] =
    /^postgres(?:ql)?:\/\/(?:([^/@:]*)(?::([^/@]*))?@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text) ?? [];
  const [, bracketed, host, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(hosts) ?? [];
  const parameters = new Map<string, string>();
  const set = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '') parameters.set(name, decode(value));
  };
  set('user', user);
  set('password', password);
  // A list of several hosts is kept as it is; `connectionTarget` refuses it.
  set('host', hosts.includes(',') ? hosts : (bracketed ?? host));
  set('port', port);
  set('dbname', database);
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    if (at < 0) throw new ConnectionStringError('it has a parameter without a =');
    parameters.set(decode(pair.slice(0, at)), decode(pair.slice(at + 1)));
  }
  // JDBC's way of asking for TLS; libpq understands this one value.
  if (parameters.get('ssl') === 'true' && parameters.delete('ssl')) parameters.set('sslmode', 'require');
  return parameters;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ConnectionStringError(
      'it has a % without two hexadecimal digits after it; write %25 for a percent sign',
    );
  }
}

function parsePairs(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  const pair = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/suy;
  while (text.slice(pair.lastIndex).trim() !== '') {
    const [, name, quoted, plain] = pair.exec(text) ?? [];
    if (name === undefined) {
      throw new ConnectionStringError(
        'it is neither a URI such as postgres://user@host/database nor keyword=value pairs',
      );
    }
    parameters.set(name, (quoted ?? plain ?? '').replaceAll(/\\(.)/gs, '$1'));
  }
  return parameters;
}
