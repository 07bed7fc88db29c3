import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, retryAfterSeconds } from '../errors.ts';
import type { CorsPolicy } from './cors.ts';
import { errorBody } from './error-body.ts';
import { answerRaw } from './raw-answer.ts';
import { requestIdFrom } from './request-id.ts';
import type { Traffic } from './traffic.ts';

/** Takes over the connection of a WebSocket's handshake. */
export type TakeUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Hands WebSockets to the door of their path, if the page that opens them may use the API. A refusal carries a
 * request id and JSON, as any answer does.
 *
 * @param traffic counts every handshake for its address
 * @param doorOf finds the door of a path without a trailing slash; undefined: the path has no door
 */
export function takeUpgrades(
  server: Server,
  cors: CorsPolicy,
  doorOf: (path: string) => TakeUpgrade | undefined,
  traffic: Traffic,
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = (request.url ?? '/').replace(/\/*(\?.*)?$/s, '');
    const door = doorOf(path);
    const refusal = refusalOf(() => traffic.arrive(request));
    if (refusal !== null) {
      refuseUpgrade(request, socket, cors, refusal);
    } else if (!isWebSocket(request)) {
      // Reached only where this Node does not call `shouldUpgrade`: the connection is no longer read as HTTP.
      refuseUpgrade(request, socket, cors, notWebSocket(request.headers.upgrade ?? ''));
    } else if (!cors.allowsWebSocket(request.headers)) {
      refuseUpgrade(request, socket, cors, originRefused(request.headers.origin ?? ''));
    } else if (door === undefined) {
      refuseUpgrade(request, socket, cors, noDoor(path));
    } else {
      door(request, socket, head);
    }
  });
}

/** Refuses a WebSocket before it is opened. */
export function refuseUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  { crossOrigin }: CorsPolicy,
  error: AppError,
): void {
  const headers = [
    ['X-Request-Id', requestIdFrom(request.headers['x-request-id'])] as const,
    ...crossOrigin('GET', request.headers).headers,
    ...(error.status === 429 ? [['Retry-After', retryAfterSeconds] as const] : []),
  ];
  answerRaw(socket, error.status, headers, errorBody(error));
}

/**
 * Whether the client asks for a WebSocket. Offers of HTTP/2, which curl and Java's client make, are ignored: such
 * requests stay HTTP/1.1.
 */
export function isWebSocket({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** The AppError that the work throws; null: it throws none. */
export function refusalOf(work: () => void): AppError | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

function noDoor(path: string): AppError {
  return new AppError('NOT_FOUND', `no WebSocket is served at ${path === '' ? '/' : path}`, {
    hint: "GraphQL's is at /graphql (graphql-transport-ws). Server-sent events are at /events, by GET.",
  });
}

function notWebSocket(protocol: string): AppError {
  return new AppError('UPGRADE_REFUSED', `the connection cannot be upgraded to ${protocol}`, {
    hint: 'Send the request without the header Upgrade.',
  });
}

function originRefused(origin: string): AppError {
  return new AppError('ORIGIN_NOT_ALLOWED', `pages of ${origin} may not use this API`, {
    hint: 'CORS_ORIGINS lists the origins that may.',
  });
}
