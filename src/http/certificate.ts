import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { SecureContextOptions } from 'node:tls';
import type { Log } from '../log.ts';
import { OperationalError } from '../operational-error.ts';

/** Paths of a certificate (with those between it and its authority) and its key, as PEM. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** The files cannot be used. The message says which and why. */
export class CertificateError extends OperationalError {
  override name = 'CertificateError';
}

/** How often the files are looked at. A look costs two calls of the system. */
const lookEveryMs = 1_000;

/** Reads the pair. Throws CertificateError unless the key belongs to the certificate. */
export function readCertificate({ certificate, key }: CertificateFiles): SecureContextOptions {
  try {
    const pair = { cert: readFileSync(certificate), key: readFileSync(key) };
    if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key))) {
      throw new Error('the key does not belong to the certificate');
    }
    const options = { ...pair, minVersion: 'TLSv1.2' } as const;
    createSecureContext(options);
    return options;
  } catch (error) {
    throw new CertificateError(
      `TLS_CERT (${certificate}) and TLS_KEY (${key}) cannot be used: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/**
 * Calls `onRenewed` each time that the files were replaced by another pair, and `onFailure` once for each state of them
 * that is not a pair: in the middle of a renewal, or for good. It looks at the files themselves instead of waiting for
 * events, because certbot changes links, and Kubernetes a link above them. Returns a function that ends it.
 */
export function watchCertificate(
  files: CertificateFiles,
  onRenewed: (pair: SecureContextOptions) => void,
  onFailure: (error: CertificateError) => void,
): () => void {
  let known = stateOf(files);
  const timer = setInterval(() => {
    const state = stateOf(files);
    if (state === known) return;
    known = state;
    try {
      onRenewed(readCertificate(files));
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      onFailure(error);
    }
  }, lookEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Logs what became of a certificate that was replaced; null: it is served from now on. */
export function logRenewal(failure: Error | null, log: Log): void {
  if (failure === null) {
    log({
      level: 'info',
      event: 'certificate-renewed',
      message: 'the new certificate is served from now on',
    });
  } else {
    const message = `${failure.message}; the one before is served on`;
    log({ level: 'error', event: 'certificate-unusable', message });
  }
}

function stateOf({ certificate, key }: CertificateFiles): string {
  return [certificate, key]
    .map((path) => {
      const stats = statSync(path, { throwIfNoEntry: false });
      return stats === undefined ? 'absent' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
    })
    .join();
}
