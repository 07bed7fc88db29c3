import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from 'vitest';
import { ObjectMissing } from '../../../../src/backup/store/store.ts';
import type { Store } from '../../../../src/backup/store/store.ts';

/** Tests for the contract of every store. `open` gives an empty one. */
export function describeStore(name: string, open: () => Promise<Store>): void {
  describe(`${name} keeps objects`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });

    const keys = async (prefix = ''): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of store.list(prefix)) found.push(key);
      return found;
    };

    it('gives back an object that was put from memory or from a stream', async () => {
      const large = randomBytes(1_500_000);
      await store.put('a/small', Buffer.from('hello'));
      await store.put('a/empty', new Uint8Array());
      await store.put('a/streamed', Readable.from(piecesOf(large, 70_001)));
      expect((await buffer(await store.get('a/small'))).toString()).toBe('hello');
      expect(await buffer(await store.get('a/empty'))).toHaveLength(0);
      expect((await buffer(await store.get('a/streamed'))).equals(large)).toBe(true);
    });

    it('replaces an object', async () => {
      await store.put('a/x', Buffer.from('first, and longer'));
      await store.put('a/x', Buffer.from('second'));
      expect((await buffer(await store.get('a/x'))).toString()).toBe('second');
      expect(await keys()).toEqual(['a/x']);
    });

    it('lists the keys with a prefix, in the order of bytes, with sizes', async () => {
      const all = ['a-b', 'a/1', 'a/10', 'a/2', 'a0', 'b/c/d', 'b/c=e', 'b/cd'];
      for (const key of all.toReversed()) await store.put(key, Buffer.from(key));
      expect(await keys()).toEqual(all);
      expect(await keys('a/')).toEqual(['a/1', 'a/10', 'a/2']);
      expect(await keys('a/1')).toEqual(['a/1', 'a/10']);
      expect(await keys('b/c')).toEqual(['b/c/d', 'b/c=e', 'b/cd']);
      expect(await keys('nothing/')).toEqual([]);
      for await (const { key, bytes } of store.list('')) expect(bytes, key).toBe(key.length);
    });

    it('rejects with the name of a missing object', async () => {
      await store.put('a/b', Buffer.from('x'));
      for (const key of ['a/c', 'a', 'a/b/c']) {
        const error = await store.get(key).catch((caught: unknown) => caught);
        expect(error, key).toBeInstanceOf(ObjectMissing);
        expect((error as Error).message).toContain(key);
      }
    });

    it('removes an object, and accepts one that is already gone', async () => {
      await store.put('a/b', Buffer.from('x'));
      await store.remove('a/b');
      await store.remove('a/b');
      await store.remove('never/was');
      expect(await keys()).toEqual([]);
    });

    it('leaves nothing of a stream that fails half way, and keeps the earlier object', async () => {
      await store.put('a/kept', Buffer.from('before'));
      for (const key of ['a/kept', 'a/new']) {
        let given = 0;
        const failing = Readable.from(
          (async function* () {
            for (; given < 3_000_000; given += 100_000) yield randomBytes(100_000);
            throw new Error('the source broke');
          })(),
        );
        await expect(store.put(key, failing)).rejects.toThrow('the source broke');
        expect(given).toBe(3_000_000);
      }
      expect(await keys()).toEqual(['a/kept']);
      expect((await buffer(await store.get('a/kept'))).toString()).toBe('before');
    });

    it('leaves nothing of a stream that is aborted half way', async () => {
      const aborting = new AbortController();
      let given = 0;
      const endless = Readable.from(
        (async function* () {
          for (;;) {
            yield randomBytes(100_000);
            given += 100_000;
            if (given === 3_000_000) aborting.abort(new Error('enough'));
          }
        })(),
      );
      await expect(store.put('a/new', endless, aborting.signal)).rejects.toThrow(/enough|abort/);
      expect(given).toBeGreaterThanOrEqual(3_000_000);
      expect(endless.destroyed).toBe(true);
      expect(await keys()).toEqual([]);
    });

    it('refuses an invalid key: nothing leaves the store', async () => {
      const bad = [
        '',
        '/',
        'a/',
        '/a',
        '../a',
        'a/../../b',
        'a//b',
        '.hidden',
        'a/.b',
        'a\\b',
        'a b',
        'ä',
        'a\0',
      ];
      for (const key of [...bad, 'x'.repeat(201), 'x/'.repeat(500) + 'x']) {
        await expect(store.put(key, Buffer.from('x')), key).rejects.toThrow('is not a key of a backup store');
        await expect(store.get(key), key).rejects.toThrow('is not a key of a backup store');
        await expect(store.remove(key), key).rejects.toThrow('is not a key of a backup store');
      }
      expect(await keys()).toEqual([]);
    });
  });
}

async function* piecesOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
