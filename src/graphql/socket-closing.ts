import type { WebSocket } from 'ws';
import type { AppError, ErrorCode } from '../errors.ts';

/**
 * Close codes; our own, 4400 to 4429, follow HTTP, as in graphql-ws, whose clients come again after the others. The
 * reason starts with a code of src/errors.ts.
 */
export const closeCodes = {
  unauthorized: 4401,
  forbidden: 4403,
  tooSlow: 4429,
  tooMany: 4429,
  goingAway: 1001,
  tryAgainLater: 1013,
} as const;

/** The least of the codes that are not the protocol's own. */
const leastOwnCode = 4000;

/** The close code for a connection whose requester is not let in. */
export function closeCodeOf({ status }: AppError): number {
  if (status >= 500) return closeCodes.tryAgainLater;
  return status === 403 ? closeCodes.forbidden : closeCodes.unauthorized;
}

/** Ends the connection of a client that reads more slowly than events come. */
export function dropSlow(socket: WebSocket): void {
  if (socket.readyState !== socket.OPEN) return;
  closeWith(socket, closeCodes.tooSlow, 'SUBSCRIBER_TOO_SLOW');
  // The frame that says so waits behind the unread ones, and all of that must not be kept for ever.
  setTimeout(() => socket.terminate(), 1_000).unref();
}

/** Why a connection was closed, by the code that stands in front of a close frame's reason; null: it ended as the protocol has it. */
export function refusalOfClose(code: number, reason: Buffer): string | null {
  return code < leastOwnCode ? null : (/^[A-Z_]+/.exec(String(reason))?.[0] ?? 'CLOSED');
}

/** Closes with our own code, which names an error of src/errors.ts in the reason. */
export function closeWith(socket: WebSocket, closeCode: number, code: ErrorCode, message?: string): void {
  // The reason in a close frame has at most 123 bytes.
  socket.close(closeCode, message === undefined ? code : `${code}: ${message}`.slice(0, 120));
}
