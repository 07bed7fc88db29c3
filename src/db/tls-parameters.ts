import { OperationalError } from '../operational-error.ts';

/** How much a connection asks of TLS, as libpq's `sslmode` says it (PostgreSQL, SSL Support). */
export const tlsModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type TlsMode = (typeof tlsModes)[number];

/** The TLS of one connection. Paths are as they were given. */
export interface TlsParameters {
  readonly mode: TlsMode;
  /** The authorities that may have signed the server's certificate. Null: those that the system or Node brings. */
  readonly rootCertificate: string | null;
  /** Our own certificate, for a server that asks for one, with its key. */
  readonly certificate: string | null;
  readonly key: string | null;
}

/** What holds for URLs that say nothing themselves. */
export interface TlsChoice extends Omit<TlsParameters, 'mode'> {
  /** Null: by the URL's host. */
  readonly mode: TlsMode | null;
}

/** No choice at all: each URL is judged by its host. */
export const noTlsChoice: TlsChoice = { mode: null, rootCertificate: null, certificate: null, key: null };

/** The TLS that a URL asks for cannot be had. The message has no part of the URL but the parameter's value. */
export class TlsRefused extends OperationalError {
  override name = 'TlsRefused';
}

const withoutTls: TlsParameters = { mode: 'disable', rootCertificate: null, certificate: null, key: null };

/**
 * The TLS of a connection: what its URL says in libpq's parameters, or else the choice. Without either, a server on
 * this machine gets none, and any other is verified. Each URL is judged by its own host, because a pooler may run here
 * and the server elsewhere. Throws TlsRefused.
 */
export function tlsParameters(choice: TlsChoice, connectionString: string): TlsParameters {
  const url = URL.parse(connectionString);
  const given = (name: string): string | null => url?.searchParams.get(name) || null;
  const host = given('host') ?? url?.hostname ?? '';
  // libpq, too, speaks no TLS over a socket's file.
  if (host === '' || host.startsWith('/')) return withoutTls;
  const mode =
    modeOf(given('sslmode'), given('ssl')) ?? choice.mode ?? (isLocal(host) ? 'disable' : 'verify-full');
  if (mode === 'disable') return withoutTls;
  const rootCertificate = given('sslrootcert') ?? choice.rootCertificate;
  const certificate = given('sslcert') ?? choice.certificate;
  const key = given('sslkey') ?? choice.key;
  if ((certificate === null) !== (key === null)) {
    throw new TlsRefused('sslcert and sslkey belong together: give the certificate and its key, or neither');
  }
  if (rootCertificate === 'system' && mode !== 'verify-full') {
    throw new TlsRefused(
      `sslrootcert=system needs sslmode=verify-full, not ${mode}: anybody can have a certificate of a public authority`,
    );
  }
  if (mode === 'verify-ca' && rootCertificate === null) {
    throw new TlsRefused(
      'sslmode=verify-ca needs sslrootcert, the file of the authority that signed the server',
    );
  }
  // As libpq does since a file of authorities is there for nothing else.
  const asked = mode === 'require' && rootCertificate !== null ? 'verify-ca' : mode;
  return { mode: asked, rootCertificate, certificate, key };
}

function modeOf(sslmode: string | null, ssl: string | null): TlsMode | null {
  // The second is JDBC's way, of which libpq understands this one value.
  if (sslmode === null) return ssl === 'true' ? 'require' : null;
  const mode = tlsModes.find((each) => each === sslmode);
  if (mode === undefined) {
    throw new TlsRefused(`sslmode is ${JSON.stringify(sslmode)}; expected one of ${tlsModes.join(', ')}`);
  }
  return mode;
}

function isLocal(host: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]', '::1'].includes(host);
}

/** The parameters that `withoutTlsParameters` removes. */
const names = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'uselibpqcompat'];

/**
 * The URL without what it says about TLS. node-postgres reads some of it in its own way, in which `require` verifies
 * and `sslmode` overrides every option.
 */
export function withoutTlsParameters(connectionString: string): string {
  const url = URL.parse(connectionString);
  if (url === null || !names.some((name) => url.searchParams.has(name))) return connectionString;
  for (const name of names) url.searchParams.delete(name);
  return url.href;
}

/**
 * The URL for a library that takes nothing but a URL and hands it to node-postgres.
 *
 * @param isEncrypted whether a connection under `prefer` turned out to be encrypted
 */
export function urlWithTls(connectionString: string, tls: TlsParameters, isEncrypted: boolean): string {
  const url = new URL(withoutTlsParameters(connectionString));
  const decided = tls.mode === 'prefer' ? (isEncrypted ? 'require' : 'disable') : tls.mode;
  url.searchParams.set('sslmode', decided);
  // Makes node-postgres read sslmode as libpq does.
  url.searchParams.set('uselibpqcompat', 'true');
  if (decided === 'disable') return url.href;
  // node-postgres verifies against Node's authorities where no file is named.
  if (decided !== 'require' && tls.rootCertificate !== null && tls.rootCertificate !== 'system') {
    url.searchParams.set('sslrootcert', tls.rootCertificate);
  }
  if (tls.certificate !== null) url.searchParams.set('sslcert', tls.certificate);
  if (tls.key !== null) url.searchParams.set('sslkey', tls.key);
  return url.href;
}
