import { AbortMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3';
import { OperationalError } from '../../operational-error.ts';
import type { S3Location } from './s3-errors.ts';

/** How long, and how often, to wait for the storage; docs/waits.md has a line for each. */
export interface S3Waits {
  /** Longest time for a connection to be made. */
  readonly connectMs: number;
  /** How long a connection may carry nothing, in either direction, before it counts as broken. */
  readonly silenceMs: number;
  /** Longest time from a request until its answer begins. */
  readonly answerMs: number;
  /** The number of attempts at a request before the store counts as unavailable. The pauses in between grow to 20 s. */
  readonly attempts: number;
  /**
   * Longest time for a call with everything it takes: credentials, requests, pauses, and the answer except the
   * content of a download.
   */
  readonly callMs: number;
  /** Longest time for taking back the parts that a failed upload has sent. */
  readonly takeBackMs: number;
}

export const defaultWaits: S3Waits = {
  connectMs: 10_000,
  silenceMs: 60_000,
  // Enough for a part of 16 MB over a line of 30 kB/s.
  answerMs: 600_000,
  attempts: 8,
  callMs: 900_000,
  takeBackMs: 10_000,
};

/** A call, or a stretch of a download, exceeded its time. */
export class S3TooSlow extends OperationalError {
  // The AWS SDK's name for it.
  override name = 'TimeoutError';

  /** `what` took longer than `ms`. */
  constructor(what: string, ms: number) {
    super(`${what} took longer than ${ms / 1000} s`);
  }
}

/**
 * A client of the storage at `location` whose single requests are bounded; `boundedCalls` bounds its calls. Sends
 * nothing yet.
 */
export function makeS3Client({ endpoint, region, credentials }: S3Location, waits: S3Waits): S3Client {
  return new S3Client({
    region,
    // The configuration says where the store is, not an AWS_ENDPOINT_URL from somebody's shell.
    ignoreConfiguredEndpointUrls: true,
    // A bucket as part of the host's name needs DNS, which few people set up for their own storage.
    ...(endpoint !== null && {
      endpoint,
      forcePathStyle: true,
      useFipsEndpoint: false,
      useDualstackEndpoint: false,
    }),
    ...(credentials && {
      credentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: credentials.secretAccessKey.reveal(),
        ...(credentials.sessionToken && { sessionToken: credentials.sessionToken.reveal() }),
      },
    }),
    maxAttempts: waits.attempts,
    requestHandler: {
      connectionTimeout: waits.connectMs,
      requestTimeout: waits.answerMs,
      throwOnRequestTimeout: true,
      socketTimeout: waits.silenceMs,
    },
    // The SHA-256 of a body is part of its signature, and the vault checks what it reads; other storages do not know
    // CRC32.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

type Command = Parameters<S3Client['send']>[0];
type Send = (command: Command, options?: { readonly abortSignal: AbortSignal }) => Promise<unknown>;

/**
 * The same client, but each call ends in time whatever the storage does, and at once when the signal is aborted. The
 * SDK's own limits hold for one request each, and none of them bounds an answer that comes a byte at a time. Rejects
 * with S3TooSlow, or with the signal's reason. Parts are taken back even after an abort.
 */
export function boundedCalls(client: S3Client, waits: S3Waits, signal?: AbortSignal): S3Client {
  const send: Send = (command) =>
    command instanceof AbortMultipartUploadCommand
      ? withinTime(client, command, waits.takeBackMs, undefined)
      : withinTime(client, command, waits.callMs, signal);
  return Object.assign(Object.create(client) as S3Client, { send });
}

function withinTime(
  client: S3Client,
  command: Command,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ending = new AbortController();
    // Not left to the SDK, which may be in the middle of something that ignores the signal.
    const end = (reason: unknown): void => {
      ending.abort(reason);
      settle();
      reject(reason);
    };
    const onAbort = (): void => end(signal?.reason);
    const timer = setTimeout(() => end(new S3TooSlow('the call', ms)), ms);
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    if (signal?.aborted) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    (client.send as Send)
      .call(client, command, { abortSignal: ending.signal })
      .finally(settle)
      .then(resolve, reject);
  });
}
