import { OperationalError } from '../operational-error.ts';
import { parsePublishedKeys } from './jwt-keys.ts';
import type { JwtKey } from './jwt-keys.ts';

/** Longest time for one reading, its body included. A token of an unknown key waits for it. */
const readingMs = 5_000;
/** A set of a hundred RSA keys has 60 kB. */
const mostBytes = 262_144;
const mostKeys = 100;
/**
 * Shortest time between two readings that unknown keys asked for, whether they succeeded or not, and from a failed reading to the
 * next: so often can callers with invented keys make this process ask, all together.
 */
const coolDownMs = 30_000;

/** The published keys cannot be read. */
class KeysUnreadable extends OperationalError {
  override name = 'KeysUnreadable';
}

/** The address of published keys, and who hears of them. */
export interface PublishedKeysOptions {
  readonly url: string;
  /** How often the keys are read. */
  readonly everyMs: number;
  readonly onKeys: (keys: readonly JwtKey[]) => void;
  /** Gets the reason why a key was skipped. */
  readonly onSkipped: (reason: string) => void;
  /** In a row of failures, called for the first one only. */
  readonly onError: (error: unknown) => void;
}

/** Keys that are read from a URL, again and again. */
export interface PublishedKeys {
  /** Resolves when the first reading has ended, whether or not it succeeded. */
  readonly first: Promise<void>;
  /** Reads the keys now, unless they were read a short while ago. Resolves when they are there. Never rejects. */
  lookAgain(): Promise<void>;
  /** Reads no more. */
  close(): Promise<void>;
}

/**
 * Reads the keys that a URL publishes, in the background and one reading at a time, so that no token of a known key ever waits
 * for the network. While the URL is dead, the keys that were read go on to work.
 *
 * Our own, and not jose's createRemoteJWKSet: that one reads when a token comes and its keys are too old, so that a dead URL
 * refuses every token and is asked for each of them (its pause begins with a success only), and it reads an answer of any size.
 */
export function followPublishedKeys(options: PublishedKeysOptions): PublishedKeys {
  let reading: Promise<void> | null = null;
  let begunAt = -Infinity;
  let failing = false;
  let timer: NodeJS.Timeout | undefined;
  const closing = new AbortController();

  const attempt = async (): Promise<void> => {
    begunAt = performance.now();
    let pauseMs = options.everyMs;
    try {
      const json = await readJson(options.url, closing.signal);
      const skipped: string[] = [];
      options.onKeys(parsePublishedKeys(json, mostKeys, (reason) => skipped.push(reason)));
      skipped.forEach(options.onSkipped);
      failing = false;
    } catch (error) {
      pauseMs = Math.min(options.everyMs, coolDownMs);
      if (!failing && !closing.signal.aborted) options.onError(error);
      failing = true;
    }
    reading = null;
    clearTimeout(timer);
    if (!closing.signal.aborted) timer = setTimeout(look, pauseMs);
  };
  const look = (): Promise<void> => (reading ??= attempt());

  return {
    first: look(),
    lookAgain: async () => {
      if (reading === null && performance.now() - begunAt < coolDownMs) return;
      if (!closing.signal.aborted) await look();
    },
    close: async () => {
      closing.abort();
      clearTimeout(timer);
      await reading;
    },
  };
}

async function readJson(url: string, signal: AbortSignal): Promise<unknown> {
  const late = AbortSignal.timeout(readingMs);
  try {
    // A redirect could lead past the rule that the address is https.
    const response = await fetch(url, {
      redirect: 'error',
      headers: { accept: 'application/jwk-set+json, application/json' },
      signal: AbortSignal.any([signal, late]),
    });
    const text = await readText(response);
    if (response.status !== 200) throw new KeysUnreadable(`it answers ${response.status}`);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof KeysUnreadable) throw error;
    if (late.aborted) throw new KeysUnreadable(`it did not answer within ${readingMs} ms`, { cause: error });
    const { message, cause } = error as Error;
    throw new KeysUnreadable(cause instanceof Error ? `${message}: ${cause.message}` : message, {
      cause: error,
    });
  }
}

async function readText({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    bytes += part.length;
    // Leaving the loop cancels the rest.
    if (bytes > mostBytes) throw new KeysUnreadable(`its answer has more than ${mostBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
