import type { RequestHandler } from 'express';
import type { Claims } from '../auth/claims.ts';
import type { WatchedCredentials } from '../auth/watch-credentials.ts';
import { databaseErrorToAppError } from '../db/errors.ts';
import { AppError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { claimsOf, stopwatchOf } from '../http/authenticate.ts';
import type { OnInternalError } from '../http/error-body.ts';
import { requestIdOf } from '../http/request-id.ts';
import type { Traffic } from '../http/traffic.ts';
import type { Change } from './change.ts';
import { EventStream, message, streamHeaders } from './event-stream.ts';
import type { LiveChanges } from './live-changes.ts';
import type { PositionSeal } from './sealed-position.ts';
import { isTopic, topics } from './topic.ts';
import type { Topic } from './topic.ts';

/** How often a silent stream sends a sign of life with its position. */
const heartbeatMs = 15_000;
/** How long a client waits before it connects again. */
const retryMs = 1_000;
/** The longest delay that setTimeout accepts. */
const longestTimeoutMs = 2_147_483_647;

/** `GET /events` and its open streams. */
export interface EventStreams {
  readonly handler: RequestHandler;
  /** Ends the streams of a tenant. */
  dropTenant(tenantId: string): void;
  /** Ends every stream, and opens no more. */
  close(): void;
}

interface OpenStream {
  readonly tenantId: string | null;
  end(code: ErrorCode): void;
}

/**
 * Server-sent events: `GET /events?topics=tasks,agents`, as docs/live.md says. Needs claims (`authenticated`). The id
 * of each event is the sealed position after it, which the client sends back as Last-Event-ID.
 */
export function makeEventStreams(
  live: LiveChanges,
  seal: PositionSeal,
  credentials: WatchedCredentials,
  traffic: Traffic,
  onInternalError: OnInternalError,
): EventStreams {
  const open = new Set<OpenStream>();
  const textOf = makeTexts(seal);
  let closed = false;

  const handler: RequestHandler = async (request, response) => {
    const claims = claimsOf(response);
    if (claims.tenantId === null) {
      throw new AppError('AUTHENTICATION_REQUIRED', 'events need a token', {
        hint: 'Send the header Authorization: Bearer <token>; EventSource cannot, a client on top of fetch can.',
      });
    }
    if (closed) throw new AppError('SHUTTING_DOWN', 'the server is about to stop');
    traffic.ask(claims);
    const wanted = topicsOf(request.url);
    if (request.method === 'HEAD') {
      response.writeHead(200, streamHeaders).end();
      return;
    }
    const lastEventId = request.headers['last-event-id'];
    const since = typeof lastEventId === 'string' ? seal.open(lastEventId) : null;

    response.setHeader('Server-Timing', stopwatchOf(response).header);
    const onEnd: (() => void)[] = [traffic.stream(claims)];
    const stream = new EventStream(response, () => onEnd.forEach((end) => end()));
    const end = (code: ErrorCode): void => {
      stream.end(message({ event: 'end', data: JSON.stringify({ code }) }));
    };
    const fail = (error: unknown): void => {
      const shown = error instanceof AppError ? error : databaseErrorToAppError(error);
      if (shown === null) onInternalError(error, requestIdOf(response));
      end(shown?.code ?? 'INTERNAL_ERROR');
    };
    const leaving = new AbortController();
    onEnd.push(() => leaving.abort());
    const self: OpenStream = { tenantId: claims.tenantId, end };
    open.add(self);
    onEnd.push(() => open.delete(self));
    onEnd.push(endWithToken(claims, () => end('TOKEN_EXPIRED')));
    onEnd.push(credentials.watch(claims, end));

    void stream.send(`retry: ${retryMs}\n\n`);
    try {
      const subscribed = await live.subscribe(claims, {
        topics: wanted,
        key: null,
        since,
        onChanges: (changes) => stream.send(changes.map(textOf).join('')),
        onFailure: fail,
        left: leaving.signal,
      });
      onEnd.push(() => subscribed.end());
      if (!stream.isOpen) {
        subscribed.end();
        return;
      }
      const here = (): string => seal.seal(subscribed.position);
      // The id was sealed with another secret, or is not one of ours: it names no position that we can resume from.
      if (lastEventId && since === null) {
        void stream.send(
          textOf({ kind: 'reset', topic: null, reason: 'too_old', position: subscribed.position }),
        );
      }
      // From here on nothing can be missed.
      void stream.send(
        message({ event: 'ready', id: here(), data: JSON.stringify({ topics: [...wanted] }) }),
      );
      const heartbeat = setInterval(
        () => void stream.send(`: alive\n${message({ id: here() })}`),
        heartbeatMs,
      );
      onEnd.push(() => clearInterval(heartbeat));
    } catch (error) {
      fail(error);
    }
  };

  return {
    handler,
    dropTenant: (tenantId) => {
      for (const stream of open) if (stream.tenantId === tenantId) stream.end('TENANT_SUSPENDED');
    },
    close: () => {
      closed = true;
      for (const stream of open) stream.end('SHUTTING_DOWN');
    },
  };
}

function topicsOf(url: string): ReadonlySet<Topic> {
  const text = new URL(url, 'http://localhost').searchParams.get('topics');
  if (text === null) return new Set(topics);
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !isTopic(name));
  if (unknown.length > 0) {
    throw new AppError('BAD_USER_INPUT', `unknown topic "${unknown.join('", "')}"`, {
      hint: `topics is a comma-separated list of ${topics.join(', ')}; leave it out to get all of them.`,
    });
  }
  return new Set(names.filter(isTopic));
}

/** Formats changes as messages. Subscribers who get the same change are sent the same text. */
function makeTexts(seal: PositionSeal): (change: Change) => string {
  const texts = new WeakMap<Change, string>();
  return (change) => {
    let text = texts.get(change);
    if (text === undefined) {
      text = write(change, seal.seal(change.position));
      texts.set(change, text);
    }
    return text;
  };
}

function write(change: Change, id: string): string {
  if (change.kind === 'reset') {
    const { topic, reason } = change;
    return message({ event: 'reset', id, data: JSON.stringify({ topic, reason }) });
  }
  const { topic, operation, key, row } = change;
  const data = `{"topic":"${topic}","operation":"${operation}","id":${JSON.stringify(key)},"row":${row ?? 'null'}}`;
  return message({ event: topic, id, data });
}

/** Calls `onExpired` when the token expires; the returned function cancels that. */
function endWithToken(claims: Claims, onExpired: () => void): () => void {
  const { exp } = JSON.parse(claims.json) as { exp?: number };
  if (exp === undefined) return () => {};
  const inMs = Math.min(Math.max(exp * 1000 - Date.now(), 0), longestTimeoutMs);
  const timer = setTimeout(onExpired, inMs);
  return () => clearTimeout(timer);
}
