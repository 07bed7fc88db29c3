import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** How long the client has to read the answer and to close. */
const goodbyeMs = 2_000;

/**
 * Answers with JSON on a connection without a ServerResponse, and closes it. Such a connection was to be upgraded, or
 * carried something that is not HTTP.
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
  // The client may already be gone.
  socket.on('error', () => {});
  setTimeout(() => socket.destroy(), goodbyeMs).unref();
  socket.end(`${lines.join('\r\n')}\r\n\r\n${json}`);
}
