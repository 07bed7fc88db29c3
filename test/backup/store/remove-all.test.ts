import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inParallel } from '../../../src/backup/in-parallel.ts';
import { removeExpired } from '../../../src/backup/remove-expired.ts';
import { removeAll } from '../../../src/backup/store/remove-all.ts';
import { S3Store } from '../../../src/backup/store/s3-store.ts';
import { StoreUnavailable } from '../../../src/backup/store/store.ts';
import type { Store } from '../../../src/backup/store/store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import { lacks } from '../../support/lacks.ts';
import { startSwift } from '../../support/swift/swift.ts';
import type { Swift } from '../../support/swift/swift.ts';

it('removes everything, several at a time', async () => {
  const keys = new Set(Array.from({ length: 100 }, (_, n) => `a/${n}`));
  let [running, most] = [0, 0];
  await removeAll(
    removing(async (key) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
      keys.delete(key);
    }),
    [...keys],
  );
  expect(keys.size).toBe(0);
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThan(20);
});

it('waits once for a store that does not answer, not for every key', async () => {
  let tries = 0;
  const removed = removeAll(
    removing(async () => {
      tries += 1;
      await new Promise(setImmediate);
      throw new StoreUnavailable('the store does not answer');
    }),
    Array.from({ length: 1000 }, (_, n) => `a/${n}`),
  );
  await expect(removed).rejects.toThrow('does not answer');
  expect(tries).toBeLessThan(20);
});

// A page of S3 has a thousand keys, and so has one of Swift.
describe.skipIf(lacks('python3-swift'))('more objects than a page of a listing, on OpenStack Swift', () => {
  const half = 'backups/20200101T000000Z-full-abcdef/base-';
  const count = 1_105;
  let swift: Swift;
  let store: S3Store;
  beforeAll(async () => {
    swift = await startSwift();
    store = new S3Store(swift.location());
  });
  afterAll(() => swift?.stop());

  it('are all listed, and all removed by retention, with nothing beside them', async () => {
    const keys = Array.from({ length: count }, (_, n) => half + String(n).padStart(5, '0'));
    await inParallel([...keys, 'backups/20200101', 'chunks/beside'], 16, (key) =>
      store.put(key, Buffer.from('x')),
    );
    expect(await keysOf(store, half)).toEqual(keys);
    expect(await keysOf(store, '')).toHaveLength(count + 2);
    const removed = await removeExpired({
      vault: makeVault(store, null),
      window: { days: 14 },
      now: new Date('2020-02-01T00:00:00Z'),
    });
    expect(removed).toEqual({
      backups: [],
      wal: 0,
      halves: ['20200101T000000Z-full-abcdef'],
      bytes: count,
    });
    expect(await keysOf(store, '')).toEqual(['backups/20200101', 'chunks/beside']);
  }, 60_000);
});

/** A store that supports `remove` alone. */
function removing(remove: Store['remove']): Store {
  const refuse = () => {
    throw new Error('not asked for');
  };
  return { name: 'a store', put: refuse, get: refuse, list: refuse, remove };
}

async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}
