import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ListedObject, Store } from '../../../src/backup/store/store.ts';

/** A store that is slow with the parts of a base backup, so that something can happen in the middle of one. */
export class SlowStore implements Store {
  readonly name: string;
  /** Keys of the parts that are stored. */
  readonly parts: string[] = [];
  readonly #store: Store;
  readonly #pauseMs: number;

  constructor(store: Store, pauseMs: number) {
    this.#store = store;
    this.#pauseMs = pauseMs;
    this.name = store.name;
  }

  async put(key: string, source: Readable | Uint8Array, signal?: AbortSignal): Promise<void> {
    const isPart = key.includes('/base-');
    if (isPart) await sleep(this.#pauseMs);
    await this.#store.put(key, source, signal);
    if (isPart) this.parts.push(key);
  }

  get(key: string): Promise<Readable> {
    return this.#store.get(key);
  }

  list(prefix: string): AsyncIterable<ListedObject> {
    return this.#store.list(prefix);
  }

  remove(key: string): Promise<void> {
    return this.#store.remove(key);
  }
}
