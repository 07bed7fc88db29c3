import { connect } from 'node:net';

/**
 * The connection whose statement to cancel, and its server's address: the connection learned both when it was
 * made.
 */
export interface CancelTarget {
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
}

const cancelRequestCode = 80_877_102;
const answersWithinMs = 5_000;

/**
 * Asks the server to cancel the statement that a connection waits for, over a connection of its own
 * (PostgreSQL, Frontend/Backend Protocol, Canceling Requests in Progress). The server never reports the
 * outcome. Never rejects; resolves when the request is delivered, or after five seconds.
 */
export async function cancelStatement({ host, port, processID, secretKey }: CancelTarget): Promise<void> {
  if (processID === null || secretKey === null) return;
  const request = Buffer.alloc(16);
  request.writeInt32BE(request.length, 0);
  request.writeInt32BE(cancelRequestCode, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const socket = host.startsWith('/')
    ? connect({ path: `${host}/.s.PGSQL.${port}` })
    : connect({ host, port });
  await new Promise<void>((resolve) => {
    socket.setTimeout(answersWithinMs, () => socket.destroy());
    socket.once('error', () => {});
    socket.once('close', () => resolve());
    socket.resume();
    socket.end(request);
  });
}
