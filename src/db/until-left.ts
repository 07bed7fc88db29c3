import { setTimeout as pause } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import type { PoolClient } from 'pg';
import type { BoundedClient } from './bounded-client.ts';
import { CallerLeft } from './database.ts';
import type { Link } from './pooler.ts';

/** A statement that ends by itself within this time is not worth a cancel request. In milliseconds. */
const graceMs = 50;
/**
 * Pauses between two requests, in milliseconds. The server ignores a request that comes before it has read the
 * statement, and a function may catch the cancellation.
 */
const pauses = { first: 100, longest: 5_000 } as const;
/** How often a connection is asked whether a cancel request is still to come. */
const mostGuards = 3;

/**
 * Runs an exchange with the server for a caller who may leave: when `left` aborts, the server is told to cancel
 * what it is working on. Rejects with CallerLeft when that succeeded, or when the caller had left before; an
 * exchange that ends otherwise has its own result, because the server may have committed it.
 *
 * A cancel request names the connection and not the statement, so one that comes late would end whatever the
 * connection runs by then. Therefore this function returns only when the exchange was answered and the server
 * has closed the connection of every request: it does so once it has sent the signal. A signal precedes what is
 * sent after it, so a round trip without effect takes it if it is still to come. A connection for which any of
 * this is not certain is retired.
 */
export async function untilLeft<T>(
  client: PoolClient,
  link: Link,
  left: AbortSignal,
  exchange: () => Promise<T>,
): Promise<T> {
  if (left.aborted) throw new CallerLeft();
  // Made when the caller leaves: its abort makes an error with a stack, which cost a request a fifth of its throughput.
  let answered: AbortController | undefined;
  let cancelling: Promise<void> | undefined;
  const onLeft = (): void => {
    answered = new AbortController();
    cancelling = cancelUntil(client, link, answered.signal);
  };
  left.addEventListener('abort', onLeft, { once: true });
  try {
    return await exchange();
  } catch (error) {
    throw isCancellation(error) && left.aborted ? new CallerLeft({ cause: error }) : error;
  } finally {
    left.removeEventListener('abort', onLeft);
    if (cancelling !== undefined) {
      answered?.abort();
      await cancelling;
    }
  }
}

/** Cancels until the statement is answered, and leaves the connection so that others can use it. Never rejects. */
async function cancelUntil(client: PoolClient, link: Link, answered: AbortSignal): Promise<void> {
  const bounded = client as unknown as BoundedClient;
  let requests = 0;
  let allDelivered = true;
  await pauseUntil(graceMs, answered);
  for (let ms: number = pauses.first; !answered.aborted; ms = Math.min(ms * 2, pauses.longest)) {
    requests += 1;
    if (!(await bounded.cancel())) allDelivered = false;
    await pauseUntil(ms, answered);
  }
  // The embedded database has dealt with a request before it closes the request's connection.
  if (requests === 0 || (allDelivered && bounded.limits.kind === 'embedded')) return;
  // A pooler may pass a request on later than it closes the request's connection.
  const isOurs = link === 'session' && bounded.limits.isBehindPooler !== true;
  if (!allDelivered || !isOurs || !(await isSpared(client))) bounded.retire();
}

/** Whether the connection is known to have no cancellation before it. */
async function isSpared(client: PoolClient): Promise<boolean> {
  for (let guards = 0; guards < mostGuards; guards++) {
    try {
      await client.query('select 1');
      return true;
    } catch (error) {
      if (isCancellation(error)) continue;
      // The transaction had failed already, and the server has read the statement.
      return error instanceof DatabaseError && error.severity === 'ERROR';
    }
  }
  return false;
}

function isCancellation(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '57014';
}

async function pauseUntil(ms: number, end: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal: end }).catch(() => {});
}
