import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { S3Location } from '../../../src/backup/store/s3-errors.ts';
import { S3Store } from '../../../src/backup/store/s3-store.ts';
import type { Store } from '../../../src/backup/store/store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import { Secret } from '../../../src/config/secret.ts';
import { freePort } from '../../support/free-port.ts';
import { lacks } from '../../support/lacks.ts';
import { startS3StandIn } from '../../support/s3-stand-in.ts';
import type { Fault, S3StandIn } from '../../support/s3-stand-in.ts';
import { startSwift } from '../../support/swift/swift.ts';
import type { Swift } from '../../support/swift/swift.ts';
import { tcpGate } from '../../support/tcp-gate.ts';
import { describeStore } from './conformance/store-conformance.ts';

let server: S3StandIn;
beforeAll(async () => {
  server = await startS3StandIn();
});
afterEach(() => {
  server.onRequest = () => 'pass';
  server.requests.length = 0;
});
afterAll(() => server.stop());

describeStore('an object storage stand-in', async () => new S3Store(server.location()));

describe.skipIf(lacks('python3-swift'))('object storage of OpenStack Swift', () => {
  let swift: Swift;
  beforeAll(async () => {
    swift = await startSwift({ keysPerPage: 7 });
  });
  afterAll(() => swift?.stop());

  describeStore('Swift', async () => new S3Store(swift.location()));

  it('takes a large object in parts, gives it back whole, and lists it once', async () => {
    const store = new S3Store(swift.location());
    const bytes = parts(1);
    await store.put('a/large', inPieces(bytes));
    expect((await buffer(await store.get('a/large'))).equals(bytes)).toBe(true);
    await expect(keysOf(store)).resolves.toEqual(['a/large']);
  });

  it('resumes a download where it broke off', async () => {
    const { hostname, port } = new URL(swift.endpoint);
    const gate = await tcpGate({ host: hostname, port: Number(port) });
    await gate.open();
    try {
      const store = new S3Store({ ...swift.location(), endpoint: `http://127.0.0.1:${gate.port}` });
      const bytes = randomBytes(12_000_000);
      await store.put('a/object', bytes);
      const received: Buffer[] = [];
      let cut = 0;
      for await (const chunk of await store.get('a/object')) {
        received.push(chunk as Buffer);
        if (cut > 0) continue;
        cut = await gate.shut();
        await gate.open();
      }
      expect(cut).toBeGreaterThan(0);
      expect(Buffer.concat(received).equals(bytes)).toBe(true);
    } finally {
      await gate.shut();
    }
  });

  it('lists page by page', async () => {
    const store = new S3Store(swift.location());
    const keys = Array.from({ length: 20 }, (_, i) => `a/${String(i).padStart(4, '0')}`);
    await Promise.all(keys.map((key) => store.put(key, Buffer.from('x'))));
    await expect(keysOf(store)).resolves.toEqual(keys);
  });

  it('says in a sentence what is wrong and what to do, for every kind of request', async () => {
    const location = swift.location();
    const credentials = location.credentials!;
    const wrong: [Partial<S3Location>, name: string, says: RegExp][] = [
      [
        { bucket: 'elsewhere' },
        'StoreRefused',
        /bucket elsewhere does not exist at http.*Make it, or correct BACKUP_STORE/,
      ],
      [
        { credentials: { ...credentials, secretAccessKey: new Secret('another one') } },
        'StoreRefused',
        /does not accept the credentials \(SignatureDoesNotMatch.*Check AWS_ACCESS_KEY_ID/,
      ],
      [
        { credentials: { ...credentials, accessKeyId: 'lightning:nobody' } },
        'StoreRefused',
        /(does not accept the credentials|denies access) .*(AWS_ACCESS_KEY_ID|s3:PutObject)/,
      ],
      [
        { endpoint: `http://127.0.0.1:${await freePort()}` },
        'StoreUnavailable',
        /does not answer \(.*ECONNREFUSED/,
      ],
    ];
    for (const [change, name, says] of wrong) {
      const store = new S3Store({ ...location, ...change }, { attempts: 2 });
      for (const asked of [
        () => store.put('a/small', Buffer.from('x')),
        () => store.put('a/streamed', inPieces(Buffer.from('x'))),
        () => store.get('a/small'),
        () => keysOf(store),
        () => store.remove('a/small'),
      ]) {
        const error: unknown = await asked().catch((caught: unknown) => caught);
        expect(error).toMatchObject({ name, message: expect.stringMatching(says) });
        expect((error as Error).message).toContain(store.name);
        expect((error as Error).message).not.toContain('another one');
      }
    }
  });
});

/** Random bytes for `count` parts of 16 MB, and a smaller one. */
const parts = (count: number) => randomBytes(count * 16 * 1024 * 1024 + 1000);
const inPieces = (bytes: Buffer) =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += 1_000_000) yield bytes.subarray(at, at + 1_000_000);
    })(),
  );
async function keysOf(store: Store): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}
/** Applies the fault to the first `times` requests that match the pattern. */
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
    // Three parts, one of which took three attempts: the upload did not start again.
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

  it('resumes a download where it broke off', async () => {
    const vault = makeVault(new S3Store(server.location()), randomBytes(32));
    const bytes = randomBytes(3_000_000);
    const object = await vault.write('a/object', bytes);
    strike('cut-answer', /GET/, 2);
    expect((await buffer(await vault.read(object))).equals(bytes)).toBe(true);
    expect(struck('cut-answer')).toBe(2);
  });

  it('resumes a large download as often as necessary, as long as it advances', async () => {
    const store = new S3Store(server.location());
    const bytes = randomBytes(40_000_000);
    await store.put('a/large', bytes);
    // Each time half of the rest arrives: seven breaks, where a stretch of 16 MB may have five.
    strike('cut-answer', /GET/, 7);
    expect((await buffer(await store.get('a/large'))).equals(bytes)).toBe(true);
    expect(struck('cut-answer')).toBe(7);
  });

  it('asks again when the storage is silent, and resumes a download that stands still', async () => {
    const store = new S3Store(server.location(), { silenceMs: 300 });
    strike('silent', /PUT/, 1);
    await store.put('a/object', randomBytes(100_000));
    expect(struck('silent')).toBe(1);
    strike('silent-answer', /GET/, 1);
    expect(await buffer(await store.get('a/object'))).toHaveLength(100_000);
    expect(struck('silent-answer')).toBe(1);
  });

  it('does not wait for ever for a silent storage, and says so', async () => {
    const store = new S3Store(server.location(), { silenceMs: 300, attempts: 2 });
    strike('silent', /./, Infinity);
    await expect(store.put('a', Buffer.from('x'))).rejects.toThrow(
      /^s3:\S+: http:\S+ does not answer \(.*timed out/,
    );
    expect(struck('silent')).toBe(2);
    strike('unavailable', /./, Infinity);
    await expect(keysOf(store)).rejects.toThrow(/cannot take requests now, status 503/);
  });

  it('takes back the parts of a failed upload, and lists nothing', async () => {
    const store = new S3Store(server.location());
    const failing = Readable.from(
      (async function* () {
        yield parts(2);
        throw new Error('pg_basebackup broke');
      })(),
    );
    await expect(store.put('a/half', failing)).rejects.toThrow('pg_basebackup broke');
    // The break came in the middle: parts had gone up.
    expect(server.requests.some(({ line }) => /PUT .*partNumber=1/.test(line))).toBe(true);
    expect(server.unfinished).toBe(0);
    for await (const { key } of store.list('')) expect(key).toBe('nothing');
    await expect(store.get('a/half')).rejects.toThrow('a/half is missing');
  });

  it('takes back the parts of an upload that is stopped in the middle of a part', async () => {
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

  it('refuses a wrong secret without showing it', async () => {
    const location = server.location();
    const credentials = { ...location.credentials!, secretAccessKey: new Secret('another one') };
    const store = new S3Store({ ...location, credentials });
    // The error of a stream that is given up in the middle names the storage's reason, too.
    for (const content of [Buffer.from('x'), inPieces(parts(2))]) {
      const error: unknown = await store.put('a', content).catch((caught: unknown) => caught);
      expect(error).toMatchObject({
        name: 'StoreRefused',
        message: expect.stringContaining('does not accept the credentials'),
      });
      expect(String(error)).not.toContain('another one');
    }
    expect(store.name).toMatch(/^s3:\/\/backups\/p\d+\/$/);
  });
});
