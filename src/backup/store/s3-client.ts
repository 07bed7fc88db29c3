import { AbortMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3';
import { OperationalError } from '../../operational-error.ts';
import type { S3Location } from './s3-errors.ts';

/** How long, and how often, a storage is waited for; docs/waits.md has a line for each. */
export interface S3Waits {
  /** Until a connection is made. */
  readonly connectMs: number;
  /** How long a connection may carry nothing, in either direction, before it counts as broken. */
  readonly silenceMs: number;
  /** Of a request, until its answer begins. */
  readonly answerMs: number;
  /** How often a request is made before the store counts as unavailable. The pauses in between grow to 20 s. */
  readonly attempts: number;
  /** Of a call with everything it takes: credentials, requests, pauses, and the answer but for the content of a download. */
  readonly callMs: number;
  /** Of taking back what an upload that failed has sent. */
  readonly takeBackMs: number;
}

export const defaultWaits: S3Waits = {
  connectMs: 10_000,
  silenceMs: 60_000,
  // A part of 16 MB over a line of 30 kB/s.
  answerMs: 600_000,
  attempts: 8,
  callMs: 900_000,
  takeBackMs: 10_000,
};

/** A call, or a stretch of a download, that took longer than it may. */
export class S3TooSlow extends OperationalError {
  // As the AWS SDK names it.
  override name = 'TimeoutError';

  /** `what` took longer than `ms`. */
  constructor(what: string, ms: number) {
    super(`${what} took longer than ${ms / 1000} s`);
  }
}

/** A client of the storage at `location`, whose single requests are bounded; `boundedCalls` bounds its calls. Nothing is asked yet. */
export function makeS3Client({ endpoint, region, credentials }: S3Location, waits: S3Waits): S3Client {
  return new S3Client({
    region,
    // Where the store is says the configuration, not AWS_ENDPOINT_URL of somebody's shell.
    ignoreConfiguredEndpointUrls: true,
    // A bucket as part of the host's name takes DNS, which few have for a storage of their own.
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
    // The SHA-256 of a body is part of its signature, and the vault checks what it reads; other storages know no CRC32.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

type Command = Parameters<S3Client['send']>[0];
type Send = (command: Command, options?: { readonly abortSignal: AbortSignal }) => Promise<unknown>;

/**
 * The same client, each call of which ends in time whatever the storage does, and at once when the signal is aborted: of the SDK's
 * own limits each holds for one request, and for an answer that comes a byte at a time none does. Rejects with S3TooSlow, or with the
 * signal's reason. Parts are taken back in spite of the signal.
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
    // Not left to the SDK, which may be in the middle of something that heeds no signal.
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
