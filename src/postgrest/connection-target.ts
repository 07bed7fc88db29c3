import type { ConnectionOptions } from 'node:tls';
import { ConnectionStringError } from './connection-string.ts';
import type { ConnectionParameters } from './connection-string.ts';

/** The address of the database and the way to log in, in node-postgres's terms. */
export interface ConnectionTarget {
  /** `postgres://...`, with the password but without TLS settings. */
  readonly connectionString: string;
  /** Kinds of TLS to try, in order; false: without TLS. Never empty. */
  readonly tls: readonly (false | ConnectionOptions)[];
  readonly applicationName: string;
  readonly connectMs: number;
  /** Names of the given parameters that have no effect here. */
  readonly ignored: readonly string[];
}

/** Defaults that libpq takes from the machine. */
export interface MachineDefaults {
  /** The operating system's user. */
  readonly user: string;
  /** Directory of the server's socket for this port; null if the server has none. */
  readonly socketDirectory: (port: number) => string | null;
  /** Throws what the file system throws. */
  readonly readText: (file: string) => string;
}

const understood = new Set([
  'host',
  'hostaddr',
  'port',
  'dbname',
  'user',
  'password',
  'options',
  'application_name',
  'fallback_application_name',
  'connect_timeout',
  'sslmode',
  'sslcert',
  'sslkey',
  'sslrootcert',
]);

const defaultConnectSeconds = 10;

/** Turns libpq's parameters into a target. Throws ConnectionStringError. */
export function connectionTarget(
  parameters: ConnectionParameters,
  machine: MachineDefaults,
): ConnectionTarget {
  const user = parameters.get('user') ?? machine.user;
  const port = wholeNumber(parameters.get('port') || '5432');
  if (!(port >= 1 && port <= 65_535)) {
    throw new ConnectionStringError('its port is not a number from 1 to 65535');
  }
  const host =
    parameters.get('hostaddr') ?? parameters.get('host') ?? machine.socketDirectory(port) ?? 'localhost';
  if (host.includes(',')) {
    throw new ConnectionStringError(
      'it names several hosts; name one (a proxy or a virtual address may stand for them)',
    );
  }
  const isSocket = host.startsWith('/');

  const url = new URL('postgres://localhost');
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(parameters.get('password') ?? '');
  url.port = String(port);
  url.pathname = `/${encodeURIComponent(parameters.get('dbname') ?? user)}`;
  if (isSocket) url.searchParams.set('host', host);
  else url.hostname = host.includes(':') ? `[${host}]` : host;
  const options = parameters.get('options');
  if (options !== undefined) url.searchParams.set('options', options);

  const seconds = wholeNumber(parameters.get('connect_timeout') || String(defaultConnectSeconds));
  if (Number.isNaN(seconds)) throw new ConnectionStringError('its connect_timeout is not a whole number');
  return {
    connectionString: url.href,
    tls: isSocket ? [false] : tlsAttempts(parameters, machine),
    applicationName:
      parameters.get('application_name') ?? parameters.get('fallback_application_name') ?? 'lightning rest',
    connectMs: (seconds > 0 ? seconds : defaultConnectSeconds) * 1000,
    ignored: [...parameters.keys()].filter((name) => !understood.has(name)),
  };
}

/** A number as libpq reads it, which takes neither `1e3` nor `0x10`; NaN for any other text. */
function wholeNumber(text: string): number {
  return /^\s*[+-]?\d{1,9}\s*$/.test(text) ? Number(text) : NaN;
}

/** The kinds of TLS that each `sslmode` allows (PostgreSQL, 32.19.3), in libpq's order: strongest or weakest first. */
function tlsAttempts(
  parameters: ConnectionParameters,
  machine: MachineDefaults,
): readonly (false | ConnectionOptions)[] {
  const file = (name: string): string | undefined => {
    const path = parameters.get(name);
    if (path === undefined) return undefined;
    try {
      return machine.readText(path);
    } catch (error) {
      throw new ConnectionStringError(`its ${name} cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
    }
  };
  const mode = parameters.get('sslmode') ?? 'prefer';
  if (mode === 'disable') return [false];
  const rootCertificate = parameters.get('sslrootcert') === 'system' ? undefined : file('sslrootcert');
  const [certificate, key] = [file('sslcert'), file('sslkey')];
  const given: ConnectionOptions = {
    ...(rootCertificate === undefined ? {} : { ca: rootCertificate }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  };
  const anyServer: ConnectionOptions = { ...given, rejectUnauthorized: false };
  const knownAuthority: ConnectionOptions = { ...given, checkServerIdentity: () => undefined };
  switch (mode) {
    case 'allow':
      return [false, anyServer];
    case 'prefer':
      return [anyServer, false];
    case 'require':
      return [rootCertificate === undefined ? anyServer : knownAuthority];
    case 'verify-ca':
      return [knownAuthority];
    case 'verify-full':
      return [given];
    default:
      throw new ConnectionStringError(
        `its sslmode is ${JSON.stringify(mode)}; allowed are disable, allow, prefer, require, verify-ca, verify-full`,
      );
  }
}
