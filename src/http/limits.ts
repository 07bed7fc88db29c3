import type { Server, ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../log.ts';

/** How long a client may keep the server waiting, in milliseconds. docs/waits.md has the whole table. */
export interface HttpLimits {
  /** For a request to arrive, its body included. */
  readonly requestMs: number;
  /** For the next part of an answer to be taken. */
  readonly unreadMs: number;
  /** For the next request of a connection; node closes it a second later than it tells the client. By default 5 s. */
  readonly idleMs?: number;
}

/** For doors that have no settings of their own. Those of the API are in src/config/options.ts. */
export const defaultHttpLimits: HttpLimits = { requestMs: 60_000, unreadMs: 30_000 };

/** URL and headers fit into a few packets. */
const longestHeadersMs = 15_000;
const defaultIdleMs = 5_000;
/** How often connections are looked at, and so how exact their limits are. */
const lookEveryMs = 500;
/** Of an answer, what a client has to take in `unreadMs` to be waited for: 2 kB a second. */
const leastBytes = 65_536;

/** Limits of node's HTTP server for what arrives; it answers 408 by `clientError`. */
export function arrivalLimits({ requestMs, idleMs = defaultIdleMs }: HttpLimits): ServerOptions {
  return {
    keepAliveTimeout: idleMs,
    headersTimeout: Math.min(requestMs, longestHeadersMs),
    requestTimeout: requestMs,
    connectionsCheckingInterval: lookEveryMs,
  };
}

/**
 * Cuts off clients of the server that leave unread what they were sent, whichever door it came from: what is to be sent is kept in
 * memory until they take it. Also those that take a byte now and then.
 *
 * Why not `server.timeout`: it counts the time in which the server works on its answer, too, and a byte starts it anew.
 *
 * @param onCut gets the address of each that was cut off
 */
export function cutOffUnread(
  server: Server,
  { unreadMs }: HttpLimits,
  onCut: (address: string) => void,
): void {
  const waits = new Map<Socket, Wait>();
  server.on('connection', (socket: Socket) => {
    waits.set(socket, { looks: 0, taken: 0 });
    socket.once('close', () => waits.delete(socket));
  });
  const timer = setInterval(() => {
    for (const [socket, wait] of waits) {
      const taken = takenBy(socket);
      if (socket.writableLength === 0 || taken - wait.taken >= leastBytes) {
        wait.looks = 0;
        wait.taken = taken;
        continue;
      }
      // What waits since this look may have been sent just now.
      if (wait.looks++ * lookEveryMs < unreadMs) continue;
      const { remoteAddress = 'a socket' } = socket;
      socket.destroy();
      onCut(remoteAddress);
    }
  }, lookEveryMs);
  timer.unref();
  server.once('close', () => clearInterval(timer));
}

/** Writes down that a client was cut off. */
export function logUnread(address: string, log: Log): void {
  log({
    level: 'warning',
    event: 'answer-unread',
    message: `a client was cut off, because it left its answer unread: ${address}`,
    address,
  });
}

interface Wait {
  /** Since it last took enough. */
  looks: number;
  /** Bytes that it had taken then. */
  taken: number;
}

/**
 * Bytes that the kernel has taken for the other side. `bytesWritten` counts a large write as soon as it was begun; what node's own
 * timeouts of sockets look at to know that it goes on is the handle's.
 */
function takenBy(socket: Socket): number {
  const { _handle: handle } = socket as unknown as {
    readonly _handle: { readonly bytesWritten: number; readonly writeQueueSize: number } | null;
  };
  return handle === null ? 0 : handle.bytesWritten - handle.writeQueueSize;
}
