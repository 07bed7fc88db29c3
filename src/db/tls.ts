import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ConnectionOptions, SecureContext } from 'node:tls';
import type { ClientConfig } from 'pg';
import { tlsParameters, TlsRefused } from './tls-parameters.ts';
import type { TlsChoice, TlsParameters } from './tls-parameters.ts';

/** TLS options for node-postgres, which also say in libpq's words where they come from. False: no TLS. */
export type Tls = false | TlsOptions;

/** See `Tls`. */
export interface TlsOptions extends ConnectionOptions {
  readonly parameters: TlsParameters;
}

/**
 * The TLS of connections to a URL, by `tlsParameters`. Its files are read anew for a connection after they changed, so
 * a renewed certificate needs no restart; while the new ones cannot be used, the old ones are. Throws TlsRefused.
 */
export function tlsOf(choice: TlsChoice, connectionString: string): Tls {
  const parameters = tlsParameters(choice, connectionString);
  const { mode } = parameters;
  if (mode === 'disable') return false;
  const contextNow = followFiles(parameters);
  contextNow();
  return {
    parameters,
    rejectUnauthorized: mode === 'verify-ca' || mode === 'verify-full',
    ...(mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
    get secureContext() {
      return contextNow();
    },
  };
}

/** Whether a connection with these options goes on without TLS when the server has none. */
export function isOptional(ssl: ClientConfig['ssl']): boolean {
  return parametersOf(ssl)?.mode === 'prefer';
}

/** The parameters that `tlsOf` made the options from; null: other code made them, or there is no TLS. */
export function parametersOf(ssl: ClientConfig['ssl']): TlsParameters | null {
  return typeof ssl === 'object' && 'parameters' in ssl ? (ssl as TlsOptions).parameters : null;
}

/** Returns a function that gives the context of the files as they are now. Throws TlsRefused if it never had one. */
function followFiles({ rootCertificate, certificate, key }: TlsParameters): () => SecureContext {
  const files = {
    // Node verifies against the authorities that it brings, and those of NODE_EXTRA_CA_CERTS.
    ca: rootCertificate === 'system' ? null : rootCertificate,
    cert: certificate,
    key,
  };
  const paths = Object.values(files).filter((path) => path !== null);
  let known: { readonly state: string; readonly context: SecureContext } | null = null;
  return () => {
    try {
      const state = paths.map(stateOf).join();
      if (known?.state !== state) known = { state, context: contextOf(files) };
      return known.context;
    } catch (error) {
      if (known !== null) return known.context;
      throw new TlsRefused(`the files of TLS to the database cannot be used: ${(error as Error).message}`, {
        cause: error,
      });
    }
  };
}

function stateOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path);
  return `${mtimeMs} ${size} ${ino}`;
}

/** The bytes of a file that begins with a certificate. Throws if it does not. */
function asCertificate(bytes: Buffer): Buffer {
  return new X509Certificate(bytes).raw.length > 0 ? bytes : Buffer.alloc(0);
}

function contextOf(files: Readonly<Record<'ca' | 'cert' | 'key', string | null>>): SecureContext {
  const read = Object.entries(files).flatMap(([name, path]) =>
    path === null ? [] : [[name, readFileSync(path)] as const],
  );
  // OpenSSL takes a file of authorities without a single certificate, and then trusts nobody.
  const parsed = read.map(([name, bytes]) => [name, name === 'key' ? bytes : asCertificate(bytes)] as const);
  return createSecureContext(Object.fromEntries(parsed));
}
