import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** The URL and all headers of a request. Long filters stand in URLs; node's own limit is 16 KiB. */
export const maxHeaderBytes = 128 * 1024;

/**
 * Has the server answer requests that are no HTTP, or whose URL and headers are too long, in JSON as it answers others
 * (431, 400); node would send the bare status line. The connection is closed: what follows cannot be told apart.
 */
export function answerUnreadable(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const tooLong = error.code === 'HPE_HEADER_OVERFLOW';
    const status = tooLong ? '431 Request Header Fields Too Large' : '400 Bad Request';
    const body = JSON.stringify({
      code: tooLong ? 'LTR431' : 'LTR400',
      details: tooLong ? null : error.message,
      hint: tooLong ? 'Send long lists of values in the body, to a function.' : null,
      message: tooLong
        ? `URL and headers have more than ${maxHeaderBytes} bytes`
        : 'the request is not readable as HTTP/1.1',
    });
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  });
}
