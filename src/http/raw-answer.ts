import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** How long the other side has to read the answer and to close. */
const goodbyeMs = 2_000;

/**
 * Answers with JSON on a connection that has no ServerResponse, because it was to be upgraded or sent what is not HTTP,
 * and closes it.
 */
export function answerRaw(
  socket: Duplex,
  status: number,
  headers: readonly (readonly [name: string, value: string])[],
  json: string,
): void {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(json)}`,
    'Cache-Control: no-store',
    ...headers.map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];
  // The other side may have gone.
  socket.on('error', () => {});
  setTimeout(() => socket.destroy(), goodbyeMs).unref();
  socket.end(`${lines.join('\r\n')}\r\n\r\n${json}`);
}
