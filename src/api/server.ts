import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { App } from './app.ts';
import { readCertificate, watchCertificate } from '../http/certificate.ts';
import type { CertificateFiles } from '../http/certificate.ts';
import { answerPlain, handshakeMs } from '../http/first-byte.ts';
import { endServer } from '../http/end-server.ts';
import { arrivalLimits, cutOffUnread, defaultHttpLimits } from '../http/limits.ts';
import type { HttpLimits } from '../http/limits.ts';
import { maxHeaderBytes } from '../http/unreadable-request.ts';
import { isWebSocket } from '../http/upgrades.ts';

/** The address to listen on, and the limits. */
export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** How long requests in flight may still run once the server closes. */
  readonly shutdownMs: number;
  /** Default: `defaultHttpLimits`. */
  readonly limits?: HttpLimits;
  /** Null, the default: plain HTTP. */
  readonly tls?: CertificateFiles | null;
  /** Gets what becomes of a certificate that is replaced; null: it is served from now on. */
  readonly onRenewal?: (failure: Error | null) => void;
  /** Gets the address of each client that was cut off because it left its answer unread. */
  readonly onUnread?: (address: string) => void;
}

/** A server that accepts requests. */
export interface HttpServer {
  /** The root's URL, without a trailing slash. */
  readonly url: string;
  /**
   * Drains: accepts no new connection, ends WebSockets with 1001, lets requests in flight finish for `shutdownMs`, then
   * cuts off the rest. Closes the app too. May be called more than once.
   */
  close(): Promise<void>;
}

/** Starts to listen. Rejects when the address is not available (EADDRINUSE, EACCES). */
export async function startHttpServer(app: App, options: HttpServerOptions): Promise<HttpServer> {
  const { limits = defaultHttpLimits, onUnread = () => {}, tls = null } = options;
  const { server, beforeEnd } = makeServer(limits, app, tls, options.onRenewal ?? (() => {}));
  cutOffUnread(server, limits, onUnread);
  app.attach(server);
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  let closing: Promise<void> | undefined;
  return {
    url: `${tls === null ? 'http' : 'https'}://${host}:${port}`,
    close: () => (closing ??= drain(server, app, options.shutdownMs, beforeEnd)),
  };
}

function makeServer(
  limits: HttpLimits,
  app: App,
  tls: CertificateFiles | null,
  onRenewal: (failure: Error | null) => void,
): { readonly server: Server; readonly beforeEnd: () => void } {
  const options = {
    ...arrivalLimits(limits),
    maxHeaderSize: maxHeaderBytes,
    shouldUpgradeCallback: isWebSocket,
    // The app itself refuses requests without a Host header, in JSON.
    requireHostHeader: false,
  };
  if (tls === null) return { server: createServer(options), beforeEnd: () => {} };
  const secure = createHttpsServer({ ...options, ...readCertificate(tls), handshakeTimeout: handshakeMs });
  const dropUnencrypted = answerPlain(secure, app.refusePlain);
  const endWatch = watchCertificate(
    tls,
    (pair) => {
      secure.setSecureContext(pair);
      onRenewal(null);
    },
    onRenewal,
  );
  return {
    // Everything that serves HTTP is there; only the types differ.
    server: secure as unknown as Server,
    beforeEnd: () => {
      endWatch();
      dropUnencrypted();
    },
  };
}

async function drain(server: Server, app: App, shutdownMs: number, beforeEnd: () => void): Promise<void> {
  beforeEnd();
  const ended = endServer(server, shutdownMs);
  await app.close();
  await ended;
}
