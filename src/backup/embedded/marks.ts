import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../../operational-error.ts';
import type { Store } from '../store/store.ts';

// A snapshot relies on chunks of earlier ones, and adds some that no manifest names yet, so nobody may collect
// garbage meanwhile. Each of the two leaves a mark in the store before it looks for the other's mark. When both begin
// at once, at least one of them sees the other, and the collection gives way.

/** The store is in use by the other of the two: a snapshot or a collection. */
export class StoreBusy extends OperationalError {
  override name = 'StoreBusy';
}

const folder = 'marks/';
/** A mark older than this was left behind by a process that died. */
const staleMs = { snapshot: 24 * 3_600_000, collection: 3_600_000 } as const;
const waitMs = 60_000;

/**
 * Marks that a snapshot is being taken. Waits a minute for a collection to end; the signal ends the wait. Returns the
 * function that removes the mark.
 */
export async function markSnapshot(
  store: Store,
  now: () => Date,
  signal?: AbortSignal,
): Promise<() => Promise<void>> {
  const unmark = await mark(store, 'snapshot', now(), signal);
  const until = now().getTime() + waitMs;
  try {
    while (await isMarked(store, 'collection', now())) {
      if (now().getTime() > until) {
        throw new StoreBusy(`garbage is being collected in ${store.name}: try again when that has ended`);
      }
      await sleep(500, undefined, { signal });
    }
  } catch (error) {
    await unmark();
    throw error;
  }
  return unmark;
}

/** Marks that garbage is being collected. Rejects with StoreBusy while a snapshot is being taken. */
export async function markCollection(store: Store, now: () => Date): Promise<() => Promise<void>> {
  const unmark = await mark(store, 'collection', now());
  if (await isMarked(store, 'snapshot', now())) {
    await unmark();
    throw new StoreBusy(
      `a snapshot is being taken in ${store.name}, or one was killed within the last day: no garbage is collected`,
    );
  }
  return unmark;
}

async function mark(
  store: Store,
  kind: keyof typeof staleMs,
  at: Date,
  signal?: AbortSignal,
): Promise<() => Promise<void>> {
  const key = `${folder}${kind}-${at.getTime()}-${randomBytes(4).toString('hex')}`;
  await store.put(key, Buffer.from(at.toISOString()), signal);
  return () => store.remove(key);
}

async function isMarked(store: Store, kind: keyof typeof staleMs, now: Date): Promise<boolean> {
  for await (const { key } of store.list(`${folder}${kind}-`)) {
    const at = Number(key.slice(`${folder}${kind}-`.length).split('-')[0]);
    if (now.getTime() - at < staleMs[kind]) return true;
    await store.remove(key);
  }
  return false;
}
