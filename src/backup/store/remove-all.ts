import { inParallel } from '../in-parallel.ts';
import type { Store } from './store.ts';

/** Removals at a time: a storage far away takes as long for one as for eight. */
const lanes = 8;

/**
 * Removes objects, in no order. Rejects with the first error, once what had begun has ended: a store that does not answer is waited for
 * once, not for every key.
 */
export function removeAll(store: Store, keys: Iterable<string>): Promise<void> {
  return inParallel(keys, lanes, (key) => store.remove(key));
}
