import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientConfig } from 'pg';
import type { Log } from '../log.ts';
import { OperationalError } from '../operational-error.ts';
import { isAway, reasonOf } from './connection-failure.ts';
import { boundedClient, connectionLimits } from './pool.ts';

/** A login's way to the server. */
export interface AwaitedLogin {
  /** The variable that has its URL, for messages. */
  readonly variable: string;
  readonly connectionString: string;
  readonly ssl: ClientConfig['ssl'];
}

export interface ServerWaitOptions {
  /** How long to wait, for all logins together; 0: each is tried once. In milliseconds. */
  readonly withinMs: number;
  /** Longest time for one connection. In milliseconds. */
  readonly connectMs: number;
  /** Aborted: the wait rejects with its reason at once. */
  readonly signal?: AbortSignal | undefined;
  readonly log: Log;
}

/** The server did not answer in the time that a start waits for it. */
export class ServerAway extends OperationalError {
  override name = 'ServerAway';
}

/** The server answered and refused the login, which no waiting mends. */
export class LoginRefused extends OperationalError {
  override name = 'LoginRefused';
}

const firstPauseMs = 250;
const longestPauseMs = 5_000;
/** The log hears of a server that is away at first, and then this seldom. */
const sayEveryMs = 30_000;

/**
 * Waits until the server lets every login in. It waits for a server that is away, as `isAway` says, and for nothing else.
 * Rejects with LoginRefused when a login is refused, and with ServerAway when the time is over.
 */
export async function waitForServer(
  logins: readonly AwaitedLogin[],
  options: ServerWaitOptions,
): Promise<void> {
  const { withinMs, signal, log } = options;
  const began = performance.now();
  let saidAt: number | null = null;
  for (const login of logins) {
    const address = addressOf(login.connectionString);
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      signal?.throwIfAborted();
      const failure = await tryOnce(login, options);
      signal?.throwIfAborted();
      if (failure === null) break;
      const reason = reasonOf(failure);
      if (!isAway(failure)) {
        throw new LoginRefused(
          `the server refuses the login of ${login.variable}: ${reason}; lightning status looks at all logins`,
          { cause: failure },
        );
      }
      const now = performance.now();
      const leftMs = began + withinMs - now;
      if (leftMs <= 0) {
        throw new ServerAway(
          `the server at ${address} does not answer (${reason}), and was waited for ${withinMs / 1000} s (DB_START_WAIT_MS): ` +
            `start it, or correct ${login.variable}`,
          { cause: failure },
        );
      }
      if (saidAt === null || now - saidAt >= sayEveryMs) {
        const message = `the server at ${address} does not answer (${reason}): waiting for it, ${Math.ceil(leftMs / 1000)} s at most`;
        log({ level: 'warning', event: 'server-awaited', message });
        saidAt = now;
      }
      // An abort ends the pause, and is seen above.
      await sleep(Math.min(pauseMs, leftMs), undefined, { signal }).catch(() => {});
    }
  }
  if (saidAt === null) return;
  const seconds = Math.round((performance.now() - began) / 1000);
  log({ level: 'info', event: 'server-answered', message: `the server answers, after ${seconds} s` });
}

/** The reason why the login got no connection; null: it got one, and the connection is closed again. */
async function tryOnce(
  { connectionString, ssl }: AwaitedLogin,
  { connectMs, signal }: ServerWaitOptions,
): Promise<unknown> {
  const client = boundedClient(
    { connectionString, ...(ssl === undefined ? {} : { ssl }), application_name: 'agent_lightning' },
    connectionLimits('server', { connectionString, connectMs, statementTimeoutMs: 0 }),
  );
  client.on('error', () => {});
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal?.reason);
  });
  aborted.catch(() => {});
  signal?.addEventListener('abort', onAbort);
  try {
    await Promise.race([client.connect(), aborted]);
    return null;
  } catch (error) {
    return error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    void client.end().catch(() => {});
  }
}

/** Host and port of a URL. */
function addressOf(connectionString: string): string {
  const url = new URL(connectionString);
  return `${url.searchParams.get('host') ?? url.hostname}:${url.port || '5432'}`;
}
