import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { answerRaw } from './raw-answer.ts';

/** The URL and all headers of a request. Long filters stand in URLs; node's own limit is 16 KiB. */
export const maxHeaderBytes = 128 * 1024;

/** A request that is not HTTP (`reason` says where), whose URL and headers are too long, or that does not arrive in time. */
export type UnreadableRequest =
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'too-long'; readonly maxBytes: number }
  | { readonly kind: 'too-late' };

/** What is answered to such a request. */
export interface UnreadableAnswer {
  readonly status: number;
  /** JSON */
  readonly body: string;
}

/**
 * Has the server answer requests that cannot be read; node would send the bare status line. The connection is closed: what
 * follows cannot be told apart.
 *
 * @param headersOf makes further headers of an answer
 */
export function answerUnreadable(
  server: Server,
  answerOf: (request: UnreadableRequest) => UnreadableAnswer,
  headersOf: () => readonly (readonly [name: string, value: string])[] = () => [],
): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
      socket.destroy();
      return;
    }
    const { status, body } = answerOf(requestOf(error));
    answerRaw(socket, status, headersOf(), body);
  });
}

function requestOf(error: NodeJS.ErrnoException): UnreadableRequest {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return { kind: 'too-long', maxBytes: maxHeaderBytes };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { kind: 'too-late' };
    default:
      return { kind: 'malformed', reason: error.message };
  }
}

/** Whether an answer has begun on the connection: what is written now would be taken for a part of it. */
function isAnswering(socket: Duplex): boolean {
  const { _httpMessage: answer } = socket as Duplex & { readonly _httpMessage?: ServerResponse | null };
  return answer?.headersSent ?? false;
}
