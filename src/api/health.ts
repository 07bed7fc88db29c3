import type { RequestHandler } from 'express';
import { databaseErrorToAppError } from '../db/errors.ts';
import { sendJson } from '../http/send-json.ts';
import { Stopwatch } from '../http/stopwatch.ts';

/** Whether requests can be served, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly reason?: string;
}

/** How long `/readyz` waits for an answer before it answers 503. */
const readyWithinMs = 1_000;

/**
 * Headers of every answer of every door, and of nothing else: what is written is lost with the process. Empty where it is kept, so
 * that whoever looks for the header has looked.
 */
export function storageHeaders(isKept: boolean): readonly (readonly [name: string, value: string])[] {
  return isKept ? [] : [['Lightning-Storage', 'memory']];
}

/** The process is alive. Asks nothing else, so it also answers while the database does not. */
export function healthz(isKept: boolean): RequestHandler {
  const body = JSON.stringify({ status: 'ok', ...(isKept ? {} : { storage: 'memory' }) });
  return (_request, response) => sendJson(response, 200, body);
}

/**
 * Whether to send requests here: 200, or 503 with the reason. A check that throws or takes over a second counts as a
 * no.
 */
export function readyz(isReady: () => Promise<Readiness>): RequestHandler {
  return async (_request, response) => {
    const stopwatch = new Stopwatch();
    const { ready, reason } = await withinTime(isReady);
    stopwatch.lap('database');
    response.setHeader('Server-Timing', stopwatch.header);
    const body = ready ? { status: 'ready' } : { status: 'not ready', reason };
    sendJson(response, ready ? 200 : 503, JSON.stringify(body));
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
