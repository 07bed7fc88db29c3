import { inParallel } from '../in-parallel.ts';
import type { Store } from './store.ts';

/** Concurrent removals: on distant storage, eight take as long as one. */
const lanes = 8;

/**
 * Removes objects, in no particular order. On an error it begins no further removal, waits for those under way, and
 * rejects with the first error: a store that does not answer is waited for once, not once for every key.
 */
export function removeAll(store: Store, keys: Iterable<string>): Promise<void> {
  return inParallel(keys, lanes, (key) => store.remove(key));
}
