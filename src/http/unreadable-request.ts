import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { answerRaw } from './raw-answer.ts';

/** The URL and all headers of a request. Long filters stand in URLs; node's own limit is 16 KiB. */
export const maxHeaderBytes = 128 * 1024;

/**
 * Has the server answer requests that are not HTTP, whose URL and headers are too long, or that do not arrive in time, in JSON as it
 * answers others (400, 431, 408); node would send the bare status line. The connection is closed: what follows cannot be
 * told apart.
 *
 * @param headersOf makes further headers of an answer
 */
export function answerUnreadable(
  server: Server,
  headersOf: () => readonly (readonly [name: string, value: string])[] = () => [],
): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
      socket.destroy();
      return;
    }
    const { status, ...body } = refusalOf(error);
    answerRaw(socket, status, headersOf(), JSON.stringify(body));
  });
}

function refusalOf(error: NodeJS.ErrnoException) {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: 431,
        code: 'LTR431',
        details: null,
        hint: 'Send long lists of values in the body, to a function.',
        message: `URL and headers have more than ${maxHeaderBytes} bytes`,
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        status: 408,
        code: 'LTR408',
        details: null,
        hint: 'Send less at a time.',
        message: 'the request did not arrive in time',
      };
    default:
      return {
        status: 400,
        code: 'LTR400',
        details: error.message,
        hint: null,
        message: 'the request is not readable as HTTP/1.1',
      };
  }
}

/** Whether an answer has begun on the connection: what is written now would be taken for a part of it. */
function isAnswering(socket: Duplex): boolean {
  const { _httpMessage: answer } = socket as Duplex & { readonly _httpMessage?: ServerResponse | null };
  return answer?.headersSent ?? false;
}
