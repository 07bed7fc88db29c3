import { setTimeout as sleep } from 'node:timers/promises';
import { StoreRefused } from '../store/store.ts';
import type { Draft, StoredObject, Vault } from '../vault.ts';
import { inPieces } from './in-pieces.ts';

export interface StorePartsOptions {
  readonly vault: Vault;
  /** The key of the part with that number, counted from 0. */
  readonly keyOf: (index: number) => string;
  /** Bytes of content in each part. Default: 64 MB. */
  readonly partBytes?: number | undefined;
  readonly onStored: (part: StoredObject) => void;
  /**
   * Called at once with the reason when a part could not be stored, so that the caller can end the source of the
   * stream.
   */
  readonly onFailed: (error: unknown) => void;
  readonly signal: AbortSignal;
  /** How long after the first attempt at storing a part another attempt may begin. Default: 5 minutes. */
  readonly retryMs?: number;
}

/** The size of a part: a broken upload is repeated by part, not from the beginning. */
const defaultPartBytes = 64 * 1024 * 1024;
/**
 * Bytes compressed at a time. A program writes a few kilobytes at once, for which a thread's turn costs more than the
 * compression.
 */
const pieceBytes = 1024 * 1024;
/** Parts on their way to the store at the same time. Each is in memory, compressed. */
const uploads = 2;
const attempts = 4;
/** By now a store that stays silent has been waited for long enough (docs/waits.md). */
const defaultRetryMs = 300_000;

/**
 * Stores a stream as objects of `partBytes` of content, in whole pieces of a megabyte; the last one is shorter.
 * Resolves with the parts in order. When it rejects, the parts reported to `onStored` are in the store.
 */
export async function storeParts(
  source: AsyncIterable<Buffer>,
  {
    vault,
    keyOf,
    partBytes = defaultPartBytes,
    onStored,
    onFailed,
    signal,
    retryMs = defaultRetryMs,
  }: StorePartsOptions,
): Promise<StoredObject[]> {
  const running = new Set<Promise<void>>();
  const stored: StoredObject[] = [];
  let count = 0;
  const send = (part: Draft): void => {
    const index = count;
    count += 1;
    const upload = storeAgain(part, signal, retryMs).then((object) => {
      stored[index] = object;
      onStored(object);
    });
    running.add(upload);
    void upload.finally(() => running.delete(upload)).catch(onFailed);
  };
  let part: Draft | null = null;
  let taken = Promise.resolve();
  try {
    for await (const piece of inPieces(source, Math.min(partBytes, pieceBytes))) {
      // Asking for the next piece overwrites the previous one, so that one must have been taken.
      await taken;
      part ??= vault.draft(keyOf(count));
      taken = part.write(piece);
      // It is awaited one piece later; until then its rejection must not count as unhandled.
      taken.catch(() => {});
      if (part.bytes < partBytes) continue;
      send(part);
      part = null;
      while (running.size >= uploads) await Promise.race(running);
    }
    if (part) send(part);
    await Promise.all(running);
    return stored;
  } finally {
    await Promise.allSettled(running);
  }
}

/** Stores a part, and tries again when the store fails for a moment. */
async function storeAgain(part: Draft, signal: AbortSignal, retryMs: number): Promise<StoredObject> {
  const deadline = performance.now() + retryMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await part.store(signal);
    } catch (error) {
      const full = error instanceof Error && 'code' in error && error.code === 'ENOSPC';
      const lasting = full || error instanceof StoreRefused;
      if (attempt === attempts || lasting || signal.aborted) throw error;
      const pauseMs = 500 * 2 ** attempt;
      if (performance.now() + pauseMs > deadline) throw error;
      await sleep(pauseMs, undefined, { signal });
    }
  }
}
