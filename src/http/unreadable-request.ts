import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { answerRaw } from './raw-answer.ts';

/** The URL and all headers of a request. Long filters stand in URLs; node's own limit is 16 KiB. */
export const maxHeaderBytes = 128 * 1024;

/**
 * Has the server answer requests that are no HTTP, or whose URL and headers are too long, in JSON as it answers others
 * (431, 400); node would send the bare status line. The connection is closed: what follows cannot be told apart.
 *
 * @param headersOf makes further headers of an answer
 */
export function answerUnreadable(
  server: Server,
  headersOf: () => readonly (readonly [name: string, value: string])[] = () => [],
): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const tooLong = error.code === 'HPE_HEADER_OVERFLOW';
    const body = JSON.stringify({
      code: tooLong ? 'LTR431' : 'LTR400',
      details: tooLong ? null : error.message,
      hint: tooLong ? 'Send long lists of values in the body, to a function.' : null,
      message: tooLong
        ? `URL and headers have more than ${maxHeaderBytes} bytes`
        : 'the request is not readable as HTTP/1.1',
    });
    answerRaw(socket, tooLong ? 431 : 400, headersOf(), body);
  });
}
