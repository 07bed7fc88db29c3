import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, retryAfterSeconds } from '../errors.ts';
import { countedMethod, unknownRoute } from './answered-request.ts';
import type { OnAnswered } from './answered-request.ts';
import type { CorsPolicy } from './cors.ts';
import { errorBody } from './error-body.ts';
import { answerRaw } from './raw-answer.ts';
import { requestIdFrom } from './request-id.ts';
import type { Traffic } from './traffic.ts';

/** Takes over the connection of a WebSocket's handshake. */
export type TakeUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** The parts that take or refuse handshakes of WebSockets. */
export interface UpgradeDoors {
  readonly cors: CorsPolicy;
  /** Counts every handshake for its address. */
  readonly traffic: Traffic;
  /** Finds the door of a path without a trailing slash; undefined: the path has no door. */
  readonly doorOf: (path: string) => TakeUpgrade | undefined;
  /** Gets the refused ones; the door tells of the others. */
  readonly onAnswered: OnAnswered;
}

/**
 * Hands WebSockets to the door of their path, if the page that opens them may use the API. A refusal carries a
 * request id and JSON, as any answer does.
 */
export function takeUpgrades(server: Server, { cors, traffic, doorOf, onAnswered }: UpgradeDoors): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = (request.url ?? '/').replace(/\/*(\?.*)?$/s, '');
    const door = doorOf(path);
    const refuse = (error: AppError): void =>
      refuseUpgrade(request, socket, {
        cors,
        route: door === undefined ? unknownRoute : path,
        error,
        onAnswered,
      });
    const refusal = refusalOf(() => traffic.arrive(request));
    if (refusal !== null) {
      refuse(refusal);
    } else if (!isWebSocket(request)) {
      // Reached only where this Node does not call `shouldUpgrade`: the connection is no longer read as HTTP.
      refuse(notWebSocket(request.headers.upgrade ?? ''));
    } else if (!cors.allowsWebSocket(request.headers)) {
      refuse(originRefused(request.headers.origin ?? ''));
    } else if (door === undefined) {
      refuse(noDoor(path));
    } else {
      door(request, socket, head);
    }
  });
}

/** A handshake that is refused. */
export interface RefusedUpgrade {
  readonly cors: CorsPolicy;
  /** See AnsweredRequest. */
  readonly route: string;
  readonly error: AppError;
  readonly onAnswered: OnAnswered;
}

/** Refuses a WebSocket before it is opened. */
export function refuseUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  { cors, route, error, onAnswered }: RefusedUpgrade,
): void {
  const requestId = requestIdFrom(request.headers['x-request-id']);
  const { status, code } = error;
  const headers = [
    ['X-Request-Id', requestId] as const,
    ...cors.crossOrigin('GET', request.headers).headers,
    ...(status === 429 ? [['Retry-After', retryAfterSeconds] as const] : []),
  ];
  answerRaw(socket, status, headers, errorBody(error));
  const method = countedMethod(request.method);
  onAnswered({
    kind: 'request',
    method,
    route,
    status,
    code,
    durationMs: 0,
    requestId,
    claims: null,
    headers: request.headers,
  });
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
