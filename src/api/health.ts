import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import type { PoolState } from '../db/database.ts';
import { databaseErrorToAppError } from '../db/errors.ts';
import { sendJson } from '../http/send-json.ts';
import { Stopwatch } from '../http/stopwatch.ts';
import { version } from '../version.ts';

/** Whether requests can be served, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly reason?: string;
}

/** The sources of what the doors of health say. */
export interface HealthSources {
  /** Asks the database. A call that throws or takes over a second counts as a no. */
  readonly isReady: () => Promise<Readiness>;
  /** Whether what is written outlives this process. */
  readonly isKept: boolean;
  readonly connections: () => PoolState;
  /** Whether a request may have the details of `/healthz`. Never rejects. */
  readonly maySeeHealth: (request: IncomingMessage) => Promise<boolean>;
}

/** The three doors that say how a process is. */
export interface Health {
  /** The process runs. Asks nothing else, so it also answers while the database does not. */
  readonly livez: RequestHandler;
  /** Whether to send requests here: 200, or 503 with the reason. */
  readonly readyz: RequestHandler;
  /** The state of the process for people: always 200, with one word where the details are for operators. */
  readonly healthz: RequestHandler;
  /** From now on this process is about to end: `/readyz` says no. */
  beginDrain(): void;
  /** Whether `/readyz` was asked within the last minute: something decides by it where requests go. */
  readonly isWatched: boolean;
}

/** How long a check may take before it counts as a no. */
const readyWithinMs = 1_000;
/** A balancer asks every few seconds. */
const watchedMs = 60_000;

/**
 * Headers of every answer of every door, and of nothing else: what is written is lost with the process. Empty where it is kept, so
 * that whoever looks for the header has looked.
 */
export function storageHeaders(isKept: boolean): readonly (readonly [name: string, value: string])[] {
  return isKept ? [] : [['Lightning-Storage', 'memory']];
}

/** Makes the doors of health. */
export function makeHealth({ isReady, isKept, connections, maySeeHealth }: HealthSources): Health {
  let isDraining = false;
  let askedAt = -Infinity;
  const drained: Readiness = { ready: false, reason: 'this process is about to end' };
  // These doors are not counted for their callers, so any number of them costs one look at the database at a time.
  let looking: Promise<Readiness> | null = null;
  const readiness = async (): Promise<Readiness> => {
    if (isDraining) return drained;
    looking ??= withinTime(isReady).finally(() => {
      looking = null;
    });
    const found = await looking;
    return isDraining ? drained : found;
  };
  return {
    livez: (_request, response) => sendJson(response, 200, '{"status":"ok"}'),
    readyz: async (_request, response) => {
      askedAt = performance.now();
      const stopwatch = new Stopwatch();
      const { ready, reason } = await readiness();
      stopwatch.lap('database');
      response.setHeader('Server-Timing', stopwatch.header);
      const body = ready ? { status: 'ready' } : { status: 'not ready', reason };
      sendJson(response, ready ? 200 : 503, JSON.stringify(body));
    },
    healthz: async (request, response) => {
      const [{ ready, reason }, inDetail] = await Promise.all([readiness(), maySeeHealth(request)]);
      const status = isDraining ? 'draining' : ready ? 'ok' : 'degraded';
      const details = {
        ...(ready ? {} : { reason }),
        version,
        uptimeSeconds: Math.round(process.uptime()),
        storage: isKept ? 'kept' : 'memory',
        connections: connections(),
      };
      sendJson(response, 200, JSON.stringify({ status, ...(inDetail && details) }));
    },
    beginDrain: () => {
      isDraining = true;
    },
    get isWatched() {
      return performance.now() - askedAt < watchedMs;
    },
  };
}

async function withinTime(isReady: () => Promise<Readiness>): Promise<Readiness> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<Readiness>((resolve) => {
    timer = setTimeout(resolve, readyWithinMs, {
      ready: false,
      reason: `the database did not answer within ${readyWithinMs} ms`,
    });
  });
  try {
    return await Promise.race([isReady(), silence]);
  } catch (error) {
    // The error's own words would tell anybody of the server.
    return {
      ready: false,
      reason: databaseErrorToAppError(error)?.message ?? 'the database cannot be asked',
    };
  } finally {
    clearTimeout(timer);
  }
}
