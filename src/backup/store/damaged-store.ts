import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ObjectMissing } from './store.ts';
import type { Store } from './store.ts';

/** The damage done to an object, as a reader through this store sees it. */
export type Damage = 'byte flipped' | 'missing';

/** A store as it would be with some objects damaged. The underlying store is only read. */
export class DamagedStore implements Store {
  readonly name: string;
  readonly #store: Store;
  readonly #isDamaged: (key: string) => boolean;
  readonly #damage: Damage;

  constructor(store: Store, damage: Damage, isDamaged: (key: string) => boolean) {
    this.name = `${store.name}, as it would be with damage`;
    this.#store = store;
    this.#isDamaged = isDamaged;
    this.#damage = damage;
  }

  put(key: string): Promise<void> {
    throw new Error(`${this.name} is read-only: ${key} was not stored`);
  }

  async get(key: string): Promise<Readable> {
    if (!this.#isDamaged(key)) return this.#store.get(key);
    if (this.#damage === 'missing') throw new ObjectMissing(key, this.name);
    const content = await buffer(await this.#store.get(key));
    const middle = content.length >> 1;
    content[middle] = (content[middle] ?? 0) ^ 1;
    return Readable.from([content], { objectMode: false });
  }

  async *list(prefix: string): ReturnType<Store['list']> {
    for await (const object of this.#store.list(prefix)) {
      if (this.#damage !== 'missing' || !this.#isDamaged(object.key)) yield object;
    }
  }

  remove(key: string): Promise<void> {
    throw new Error(`${this.name} is read-only: ${key} was not removed`);
  }
}
