import type { Server, ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../log.ts';

/** How long a client may keep the server waiting, in milliseconds. docs/waits.md has the full table. */
export interface HttpLimits {
  /** Time for a request to arrive, including its body. */
  readonly requestMs: number;
  /** Time for the client to take the next part of an answer. */
  readonly unreadMs: number;
  /** Time for the next request on a connection. Node closes it a second later than it tells the client. Default: 75 s. */
  readonly idleMs?: number;
}

/** Limits of doors without settings of their own. The API's limits are in src/config/options.ts. */
export const defaultHttpLimits: HttpLimits = { requestMs: 60_000, unreadMs: 30_000 };

/** Enough, because URL and headers fit into a few packets. */
const longestHeadersMs = 15_000;
/**
 * Longer than balancers keep their connections (60 s), because a request may be on its way when a connection is closed. A
 * process that was busy for longer than this would close connections before it reads what they have brought.
 */
const defaultIdleMs = 75_000;
/** How often connections are checked, which is also how exact their limits are. */
const lookEveryMs = 500;
/** Bytes of an answer that a client has to take within `unreadMs`: 2 kB a second. */
const leastBytes = 65_536;

/** Limits of node's HTTP server for arriving requests; it answers 408 through `clientError`. */
export function arrivalLimits({ requestMs, idleMs = defaultIdleMs }: HttpLimits): ServerOptions {
  return {
    keepAliveTimeout: idleMs,
    headersTimeout: Math.min(requestMs, longestHeadersMs),
    requestTimeout: requestMs,
    connectionsCheckingInterval: lookEveryMs,
  };
}

/**
 * Cuts off clients that leave their answers unread, whichever door sent them, because unread bytes stay in memory. It
 * also cuts off clients that take only a byte now and then.
 *
 * `server.timeout` would not do: it also counts the time in which the server works on its answer, and a single byte
 * restarts it.
 *
 * @param onCut gets the address of each client that was cut off
 */
export function cutOffUnread(
  server: Server,
  { unreadMs }: HttpLimits,
  onCut: (address: string) => void,
): void {
  const waits = new Map<Socket, Wait>();
  // Under TLS the event `connection` has the socket below, which never has anything to write.
  const event = 'setSecureContext' in server ? 'secureConnection' : 'connection';
  server.on(event, (socket: Socket) => {
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
      // The bytes that wait since this check may have been sent only just now.
      if (wait.looks++ * lookEveryMs < unreadMs) continue;
      const { remoteAddress = 'a socket' } = socket;
      socket.destroy();
      onCut(remoteAddress);
    }
  }, lookEveryMs);
  timer.unref();
  server.once('close', () => clearInterval(timer));
}

/** Logs that a client was cut off. */
export function logUnread(address: string, log: Log): void {
  log({
    level: 'warning',
    event: 'answer-unread',
    message: `a client was cut off, because it left its answer unread: ${address}`,
    address,
  });
}

interface Wait {
  /** Checks since the client last took enough. */
  looks: number;
  /** Bytes that it had taken by then. */
  taken: number;
}

/**
 * Bytes that the kernel has taken for the client. The socket's `bytesWritten` counts a large write as soon as it
 * begins; the handle's counters show progress, and node's own socket timeouts read them too.
 */
function takenBy(socket: Socket): number {
  const { _handle: handle } = socket as unknown as {
    readonly _handle: { readonly bytesWritten: number; readonly writeQueueSize: number } | null;
  };
  return handle === null ? 0 : handle.bytesWritten - handle.writeQueueSize;
}
