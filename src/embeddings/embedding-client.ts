import type { EmbeddingsConfig } from '../config/config.ts';
import { OperationalError } from '../operational-error.ts';
import { storableText } from '../storable-text.ts';

/** Number of dimensions of the column `knowledge.embedding`. */
export const embeddingDimensions = 1536;

/**
 * Embeds texts: returns a vector for each, in their order. Rejects with EmbeddingError, or with the signal's
 * reason. `patience` replaces the client's own.
 */
export type Embed = (
  texts: readonly string[],
  signal?: AbortSignal,
  patience?: EmbeddingPatience,
) => Promise<readonly (readonly number[])[]>;

/** A client's patience with the endpoint. */
export interface EmbeddingPatience {
  /** How many times a request is sent, the first included. */
  readonly attempts: number;
  /** How long one attempt may take. */
  readonly timeoutMs: number;
  /** Pause before the second attempt. It doubles before each further one. */
  readonly firstPauseMs: number;
}

/** For a request that a user waits for. */
export const impatient: EmbeddingPatience = { attempts: 2, timeoutMs: 10_000, firstPauseMs: 200 };
/** For a job. */
export const patient: EmbeddingPatience = { attempts: 6, timeoutMs: 60_000, firstPauseMs: 1_000 };

/** Longest pause, even if the endpoint asks for a longer one. */
const longestPauseMs = 60_000;

/**
 * The endpoint returned no embedding. `refused`: it will not embed these texts (400, 413, 422), but may embed
 * others. `unavailable`: it does not answer, is busy, or refuses our key. `unusable`: its answer cannot be
 * stored.
 */
export class EmbeddingError extends OperationalError {
  override name = 'EmbeddingError';
  readonly reason: 'refused' | 'unavailable' | 'unusable';

  constructor(reason: EmbeddingError['reason'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/**
 * A client of an endpoint that speaks OpenAI's embeddings API (`POST <url>/embeddings`). It tries again after
 * failures that may pass (no answer, 408, 409, 429 and 5xx), with pauses that grow, vary, and are at least as
 * long as `Retry-After` asks for.
 */
export function makeEmbed(endpoint: EmbeddingsConfig, usual: EmbeddingPatience): Embed {
  return async (texts, signal, patience = usual) => {
    if (texts.length === 0) return [];
    for (let attempt = 1; ; attempt++) {
      const outcome = await ask(endpoint, texts, patience.timeoutMs, signal);
      if (outcome.kind === 'answered') return vectorsOf(outcome.body, texts.length);
      signal?.throwIfAborted();
      if (attempt >= patience.attempts || !outcome.passing) throw outcome.error;
      const pause = patience.firstPauseMs * 2 ** (attempt - 1) * (0.5 + Math.random());
      await sleep(Math.min(Math.max(pause, outcome.retryAfterMs), longestPauseMs), signal);
    }
  };
}

type Outcome =
  | { readonly kind: 'answered'; readonly body: unknown }
  | {
      readonly kind: 'failed';
      readonly error: EmbeddingError;
      /** Whether another attempt may succeed. */
      readonly passing: boolean;
      readonly retryAfterMs: number;
    };

async function ask(
  { url, model, apiKey }: EmbeddingsConfig,
  texts: readonly string[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(`${url}/embeddings`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey && { authorization: `Bearer ${apiKey.reveal()}` }),
      },
      body: JSON.stringify({ model, input: texts, encoding_format: 'float' }),
      signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
    });
    const text = await response.text();
    if (response.ok) return { kind: 'answered', body: parsed(text) };
    const { status } = response;
    const refused = status === 400 || status === 413 || status === 422;
    return {
      kind: 'failed',
      error: new EmbeddingError(
        refused ? 'refused' : 'unavailable',
        `the embeddings endpoint answered ${status}: ${messageOf(text)}`,
      ),
      passing: status === 408 || status === 409 || status === 429 || status >= 500,
      retryAfterMs: secondsOf(response.headers.get('retry-after')) * 1_000,
    };
  } catch (error) {
    const message = timeout.aborted
      ? `the embeddings endpoint did not answer within ${timeoutMs} ms`
      : `the embeddings endpoint cannot be reached: ${reasonOf(error)}`;
    return {
      kind: 'failed',
      error: new EmbeddingError('unavailable', message, { cause: error }),
      passing: true,
      retryAfterMs: 0,
    };
  }
}

/** Reads the vectors. Items carry an index, and need not come in its order. */
function vectorsOf(body: unknown, count: number): readonly (readonly number[])[] {
  const data = isObject(body) && Array.isArray(body['data']) ? (body['data'] as unknown[]) : null;
  if (!data)
    throw new EmbeddingError(
      'unusable',
      'the embeddings endpoint returned an object without an array `data`',
    );
  if (data.length !== count) {
    throw new EmbeddingError(
      'unusable',
      `the embeddings endpoint returned ${data.length} embeddings for ${count} texts`,
    );
  }
  const vectors: (readonly number[] | undefined)[] = Array.from({ length: count });
  for (const [position, item] of data.entries()) {
    const index = isObject(item) && typeof item['index'] === 'number' ? item['index'] : position;
    vectors[index] = vectorOf(isObject(item) ? item['embedding'] : undefined);
  }
  return vectors.map((vector, index) => {
    if (!vector) throw new EmbeddingError('unusable', `the embeddings endpoint left out text ${index}`);
    return vector;
  });
}

function vectorOf(value: unknown): readonly number[] {
  if (!Array.isArray(value)) {
    throw new EmbeddingError(
      'unusable',
      'the embeddings endpoint returned an embedding that is not an array',
    );
  }
  if (value.length !== embeddingDimensions) {
    throw new EmbeddingError(
      'unusable',
      `the model's embeddings have ${value.length} dimensions; expected ${embeddingDimensions}: choose another EMBEDDINGS_MODEL`,
    );
  }
  // The column has single precision: what is beyond it is infinite there, and what is nearer to zero is zero.
  const stored = value.map((number) => (typeof number === 'number' ? Math.fround(number) : NaN));
  if (!stored.every(Number.isFinite) || stored.every((number) => number === 0)) {
    throw new EmbeddingError(
      'unusable',
      'the embeddings endpoint returned an embedding that is not numeric, is beyond single precision, or is all zeros',
    );
  }
  return value as number[];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EmbeddingError('unusable', 'the embeddings endpoint returned a body that is not JSON', {
      cause: error,
    });
  }
}

/** The error message where OpenAI and most others put it, or the beginning of the answer. */
function messageOf(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    const error = isObject(body) ? (body['error'] ?? body['message'] ?? body['detail']) : undefined;
    const message = isObject(error) ? error['message'] : error;
    if (typeof message === 'string') return storableText(message.slice(0, 500));
  } catch {
    // The answer is not JSON, so it is shown as it is.
  }
  return storableText(text.slice(0, 200)) || 'nothing more';
}

/** The reason for a failed fetch. Its error says only that it failed; the cause says why. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}

/** Seconds in a `Retry-After` header. Its other form, a date, counts as absent. */
function secondsOf(header: string | null): number {
  return header !== null && /^\d+$/.test(header) ? Number(header) : 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
