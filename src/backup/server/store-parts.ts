import { setTimeout as sleep } from 'node:timers/promises';
import { StoreRefused } from '../store/store.ts';
import type { Draft, StoredObject, Vault } from '../vault.ts';
import { inPieces } from './in-pieces.ts';

export interface StorePartsOptions {
  readonly vault: Vault;
  /** The key of the part of that number, from 0 on. */
  readonly keyOf: (index: number) => string;
  /** Of content. Default: 64 MB. */
  readonly partBytes?: number | undefined;
  readonly onStored: (part: StoredObject) => void;
  /** Told at once why a part could not be stored, so that what makes the stream can be ended. */
  readonly onFailed: (error: unknown) => void;
  readonly signal: AbortSignal;
  /** How long after the first try at storing a part another one may begin. Default: 5 minutes. */
  readonly retryMs?: number;
}

/** An upload that breaks is repeated by part, not from the beginning. */
const defaultPartBytes = 64 * 1024 * 1024;
/** What is compressed at a time: a program gives out a few kilobytes, for which a thread's turn costs more than the work. */
const pieceBytes = 1024 * 1024;
/** Parts on their way to the store at the same time. Each is in memory, compressed. */
const uploads = 2;
const attempts = 4;
/** A store that was silent has waited long enough by itself (docs/waits.md). */
const defaultRetryMs = 300_000;

/**
 * Stores a stream as objects of `partBytes`, whole pieces of a megabyte each; the last one is shorter. Resolves with them in their
 * order. When it rejects, those that `onStored` was told of are in the store.
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
      // The piece before is filled anew as soon as the next one is asked for.
      await taken;
      part ??= vault.draft(keyOf(count));
      taken = part.write(piece);
      // It is awaited a piece later; until then it is no error that nobody hears of.
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

/** Stores a part, again when the store fails for a moment. */
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
