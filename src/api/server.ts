import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
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
  /** How long requests in flight may still run once the server closes, what it drains included. */
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
   * Drains, for `drainMs` (default: 0) at most: `/readyz` says no, and every answer ends its connection, while all else goes on, so
   * that balancers and clients turn elsewhere before anything is refused. Then accepts no new connection, ends WebSockets with 1001,
   * lets requests in flight finish, and cuts off the rest. Closes the app too. Later calls wait for the first.
   */
  close(drainMs?: number): Promise<void>;
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
    close: (drainMs = 0) => (closing ??= end({ server, app, beforeEnd }, drainMs, options.shutdownMs)),
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

interface Ended {
  readonly server: Server;
  readonly app: App;
  readonly beforeEnd: () => void;
}

async function end({ server, app, beforeEnd }: Ended, drainMs: number, shutdownMs: number): Promise<void> {
  const began = performance.now();
  if (drainMs > 0) await drain(server, app, Math.min(drainMs, shutdownMs / 2));
  beforeEnd();
  const ended = endServer(server, began + shutdownMs - performance.now());
  await app.close();
  await ended;
}

/** How often a drain looks whether a connection is left. */
const lookEveryMs = 50;

/** Ends early where nothing is left to wait for: no connection is open, and no balancer asks. */
async function drain(server: Server, app: App, drainMs: number): Promise<void> {
  const by = performance.now() + drainMs;
  app.health.beginDrain();
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false;
  });
  const isUsed = async (): Promise<boolean> => app.health.isWatched || (await connectionsOf(server)) > 0;
  while (performance.now() < by && (await isUsed())) await pause(lookEveryMs);
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}
