import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { storeParts } from '../../../src/backup/server/store-parts.ts';
import { DirectoryStore } from '../../../src/backup/store/directory-store.ts';
import type { Store } from '../../../src/backup/store/store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import type { StoredObject } from '../../../src/backup/vault.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'parts-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A directory store whose `put` first calls `onPut`, which may reject. */
function watchedStore(onPut: (key: string) => Promise<void>): Store {
  const store = new DirectoryStore(root);
  const put = store.put.bind(store);
  store.put = async (...parameters) => {
    await onPut(parameters[0]);
    await put(...parameters);
  };
  return store;
}

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function optionsFor(store: Store) {
  const told: { stored: StoredObject[]; failures: unknown[] } = { stored: [], failures: [] };
  return {
    told,
    vault: makeVault(store, randomBytes(32)),
    keyOf: (index: number) => `b/part-${index}`,
    partBytes: 2.5 * 1024 * 1024,
    onStored: (part: StoredObject) => void told.stored.push(part),
    onFailed: (error: unknown) => void told.failures.push(error),
    signal: new AbortController().signal,
  };
}

it('the parts of a stream give it back in order, whichever is stored first', async () => {
  const bytes = randomBytes(8 * 1024 * 1024 + 1);
  const options = optionsFor(
    watchedStore(async (key) => {
      if (key.endsWith('-0')) await sleep(200);
    }),
  );
  const parts = await storeParts(inChunks(bytes, 40_000), options);
  // Whole megabytes: the smallest number of them that is at least what was asked for.
  expect(parts.map((part) => part.bytes)).toEqual([3 * 1024 * 1024, 3 * 1024 * 1024, 2 * 1024 * 1024 + 1]);
  expect(options.told.stored[0]?.key).toBe('b/part-1');
  const content = await Promise.all(parts.map((part) => options.vault.readWhole(part)));
  expect(Buffer.concat(content).equals(bytes)).toBe(true);
});

it('a part is stored again when the store fails for a moment', async () => {
  const bytes = randomBytes(3 * 1024 * 1024);
  let failures = 0;
  const options = optionsFor(
    watchedStore(async () => {
      failures += 1;
      if (failures === 1) throw new Error('busy');
    }),
  );
  const [part] = await storeParts(inChunks(bytes, 70_000), options);
  expect(failures).toBe(2);
  expect((await options.vault.readWhole(part!)).equals(bytes)).toBe(true);
});

it('a store that was silent for long is not tried again', async () => {
  let tries = 0;
  const options = optionsFor(
    watchedStore(async () => {
      tries += 1;
      await sleep(300);
      throw new Error('the store does not answer');
    }),
  );
  const storing = storeParts(inChunks(randomBytes(1000), 1000), { ...options, retryMs: 1500 });
  await expect(storing).rejects.toThrow('does not answer');
  // A second try begins after 1.3 s; a third would begin after 3.6 s.
  expect(tries).toBe(2);
});

it('a full disk is reported at once, while the stream goes on, and is the reason of the rejection', async () => {
  const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  const options = optionsFor(watchedStore(() => Promise.reject(full)));
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      // The source of the stream ends when it is told of the failure.
      if (options.told.failures.length > 0) throw new Error('the program was ended');
      yield randomBytes(100_000);
      await sleep(1);
    }
  }
  await expect(storeParts(endless(), options)).rejects.toThrow(/no space left|the program was ended/);
  expect(options.told.failures).toContain(full);
  expect(options.told.stored).toEqual([]);
});
