import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { answerRaw } from './raw-answer.ts';

/** Bytes of a request's URL and headers. Long filters stand in URLs; node's own limit is 16 KiB. */
export const maxHeaderBytes = 128 * 1024;

/**
 * A request that is not HTTP (`reason` says where), that is too long in URL and headers, or that does not arrive in
 * time.
 */
export type UnreadableRequest =
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'too-long'; readonly maxBytes: number }
  | { readonly kind: 'too-late' }
  | { readonly kind: 'not-encrypted' };

/** The answer to such a request. */
export interface UnreadableAnswer {
  readonly status: number;
  readonly code: string;
  /** JSON */
  readonly body: string;
}

/**
 * Makes the server answer unreadable requests; node would send the bare status line. Closes the connection, because
 * it is unknown where the next request begins.
 *
 * @param headersOf makes further headers of an answer, and is called once for each
 */
export function answerUnreadable(
  server: Server,
  answerOf: (request: UnreadableRequest) => UnreadableAnswer,
  headersOf: (answer: UnreadableAnswer) => readonly (readonly [name: string, value: string])[] = () => [],
): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // A handshake of TLS that failed was told so by TLS itself.
    if (
      error.code === 'ECONNRESET' ||
      error.code?.startsWith('ERR_SSL') ||
      !socket.writable ||
      isAnswering(socket)
    ) {
      socket.destroy();
      return;
    }
    const answer = answerOf(requestOf(error));
    answerRaw(socket, answer.status, headersOf(answer), answer.body);
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

/** Whether an answer has begun on the connection: anything written now would become part of it. */
function isAnswering(socket: Duplex): boolean {
  const { _httpMessage: answer } = socket as Duplex & { readonly _httpMessage?: ServerResponse | null };
  return answer?.headersSent ?? false;
}
