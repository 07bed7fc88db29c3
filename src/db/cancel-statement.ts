import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';

/**
 * The connection whose statement to cancel, and its server's address: the connection learned both when it was
 * made.
 */
export interface CancelTarget {
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
  /** The TLS of the connection; false: it has none. */
  readonly tls: boolean | ConnectionOptions;
}

/**
 * `cancel` ends a statement that waits or runs. `withdraw` is understood by the embedded database alone: it ends
 * a statement that waits for its turn, and leaves one that runs.
 */
export type CancelKind = keyof typeof requestCodes;

const requestCodes = { cancel: 80_877_102, withdraw: 80_877_199 } as const;
const tlsRequestCode = 80_877_103;
const answersWithinMs = 5_000;

/**
 * Asks the server to cancel the statement that a connection waits for, over a connection of its own
 * (PostgreSQL, Frontend/Backend Protocol, Canceling Requests in Progress). A connection with TLS is cancelled over
 * TLS or not at all: whoever reads its key may cancel each of its statements. The server never reports the
 * outcome. Never rejects.
 *
 * Returns whether the server closed the request's connection within five seconds: it does that once it has
 * passed the request on, so from then on the request hits no statement that is sent later. When it is false, the
 * request may still be under way.
 */
export async function cancelStatement(
  { host, port, processID, secretKey, tls }: CancelTarget,
  kind: CancelKind = 'cancel',
): Promise<boolean> {
  if (processID === null || secretKey === null) return false;
  const request = message(requestCodes[kind], processID, secretKey);
  const socket = host.startsWith('/')
    ? connect({ path: `${host}/.s.PGSQL.${port}` })
    : connect({ host, port });
  return new Promise((resolve) => {
    let sent = false;
    let closedByServer = false;
    const send = (on: Socket): void => {
      on.once('error', () => socket.destroy());
      on.once('end', () => (closedByServer = sent));
      on.resume();
      sent = true;
      // Our side stays open: a proxy in between might pass our end on before the request.
      on.write(request);
    };
    socket.setTimeout(answersWithinMs, () => socket.destroy());
    socket.once('error', () => {});
    socket.once('close', () => resolve(closedByServer));
    if (tls === false) {
      send(socket);
      return;
    }
    socket.once('data', (answer: Buffer) => {
      if (answer.toString('latin1') === 'S') encrypt(socket, host, tls, send);
      else socket.destroy();
    });
    socket.write(message(tlsRequestCode));
  });
}

function message(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 + 4 * numbers.length);
  [bytes.length, ...numbers].forEach((number, i) => bytes.writeInt32BE(number, 4 * i));
  return bytes;
}

/** As node-postgres does it for the connection itself. */
function encrypt(
  socket: Socket,
  host: string,
  tls: true | ConnectionOptions,
  onSecure: (encrypted: TLSSocket) => void,
): void {
  const encrypted = connectTls({
    socket,
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ...(tls === true ? {} : tls),
  });
  encrypted.once('error', () => socket.destroy());
  encrypted.once('close', () => socket.destroy());
  encrypted.once('secureConnect', () => onSecure(encrypted));
}
