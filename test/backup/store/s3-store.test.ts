import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { S3Store } from '../../../src/backup/store/s3-store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import { Secret } from '../../../src/config.ts';
import { startS3StandIn } from '../../support/s3-stand-in.ts';
import type { Fault, S3StandIn } from '../../support/s3-stand-in.ts';
import { describeStore } from './conformance/store-conformance.ts';

let server: S3StandIn;
beforeAll(async () => {
  server = await startS3StandIn();
});
afterEach(() => {
  server.onRequest = () => 'pass';
  server.requests.length = 0;
});
afterAll(() => server.close());

describeStore('object storage', async () => new S3Store(server.location()));

/** Bytes of so many parts of 16 MB, and one that is smaller. */
const parts = (count: number) => randomBytes(count * 16 * 1024 * 1024 + 1000);
const inPieces = (bytes: Buffer) =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += 1_000_000) yield bytes.subarray(at, at + 1_000_000);
    })(),
  );
/** The fault, the first so many times that such a request comes. */
function strike(fault: Fault, pattern: RegExp, times: number): void {
  let left = times;
  server.onRequest = ({ method, url }) => (pattern.test(`${method} ${url}`) && left-- > 0 ? fault : 'pass');
}
const struck = (fault: Fault) => server.requests.filter((request) => request.fault === fault).length;

describe('object storage as a store', () => {
  it('sends a large object in parts, and each part again when its connection breaks in the middle', async () => {
    const store = new S3Store(server.location());
    const bytes = parts(2);
    strike('cut', /PUT .*partNumber=2/, 2);
    await store.put('a/large', inPieces(bytes));
    expect(struck('cut')).toBe(2);
    const sent = server.requests.filter(({ line }) => /PUT .*partNumber=/.test(line));
    // Three parts, one of which took three times: nothing began anew.
    expect(sent.map(({ line }) => /partNumber=(\d)/.exec(line)?.[1]).sort()).toEqual([
      '1',
      '2',
      '2',
      '2',
      '3',
    ]);
    expect((await buffer(await store.get('a/large'))).equals(bytes)).toBe(true);
  });

  it('waits and tries again when the storage is busy', async () => {
    const store = new S3Store(server.location());
    strike('unavailable', /PUT/, 3);
    await store.put('a/small', Buffer.from('hello'));
    expect(struck('unavailable')).toBe(3);
    strike('unavailable', /GET/, 2);
    expect((await buffer(await store.get('a/small'))).toString()).toBe('hello');
    strike('unavailable', /GET/, 2);
    for await (const { key } of store.list('')) expect(key).toBe('a/small');
  });

  it('goes on with a download where it broke off', async () => {
    const vault = makeVault(new S3Store(server.location()), randomBytes(32));
    const bytes = randomBytes(3_000_000);
    const object = await vault.write('a/object', bytes);
    strike('cut-answer', /GET/, 2);
    expect((await buffer(await vault.read(object))).equals(bytes)).toBe(true);
    expect(struck('cut-answer')).toBe(2);
  });

  it('takes the parts of an upload back that fails, and lists nothing', async () => {
    const store = new S3Store(server.location());
    const failing = Readable.from(
      (async function* () {
        yield parts(2);
        throw new Error('pg_basebackup broke');
      })(),
    );
    await expect(store.put('a/half', failing)).rejects.toThrow('pg_basebackup broke');
    // It struck in the middle: parts had gone up.
    expect(server.requests.some(({ line }) => /PUT .*partNumber=1/.test(line))).toBe(true);
    expect(server.unfinished).toBe(0);
    for await (const { key } of store.list('')) expect(key).toBe('nothing');
    await expect(store.get('a/half')).rejects.toThrow('a/half is missing');
  });

  it('does so when it is stopped in the middle of a part', async () => {
    const store = new S3Store(server.location());
    const stopping = new AbortController();
    server.onRequest = ({ url }) => {
      if (url?.includes('partNumber=2')) stopping.abort(new Error('stopped'));
      return 'pass';
    };
    await expect(store.put('a/half', inPieces(parts(4)), stopping.signal)).rejects.toThrow(/stopped|abort/i);
    expect(server.requests.some(({ line }) => /PUT .*partNumber=2/.test(line))).toBe(true);
    await expect.poll(() => server.unfinished).toBe(0);
    for await (const { key } of store.list('')) expect(key).toBe('nothing');
  });

  it('lists page by page', async () => {
    const store = new S3Store(server.location());
    const keys = Array.from({ length: 120 }, (_, i) => `a/${String(i).padStart(4, '0')}`);
    await Promise.all(keys.map((key) => store.put(key, Buffer.from('x'))));
    server.requests.length = 0;
    const found: string[] = [];
    for await (const { key } of store.list('a/')) found.push(key);
    expect(found).toEqual(keys);
    expect(server.requests.filter(({ line }) => line.includes('list-type=2'))).toHaveLength(3);
  });

  it('is refused with a wrong secret, and does not show it', async () => {
    const location = server.location();
    const credentials = { ...location.credentials!, secretAccessKey: new Secret('another one') };
    const store = new S3Store({ ...location, credentials });
    const error: unknown = await store.put('a', Buffer.from('x')).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'SignatureDoesNotMatch' });
    expect(String(error)).not.toContain('another one');
    expect(store.name).toMatch(/^s3:\/\/backups\/p\d+\/$/);
  });
});
