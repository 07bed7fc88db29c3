import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { followKeys } from '../../src/auth/followed-keys.ts';
import type { FollowedKeys, KeyPlaces } from '../../src/auth/followed-keys.ts';
import { ownKeys, parseJwtSecret } from '../../src/auth/jwt-keys.ts';
import { makeVerifyToken } from '../../src/auth/jwt.ts';
import type { LogEntry } from '../../src/log.ts';
import { strongSecret, usualRules } from '../support/token-keys.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'lightning-keys-'));
const pair = (): { publicKey: KeyObject; privateKey: KeyObject } => generateKeyPairSync('ed25519');
const [first, second, third] = [pair(), pair(), pair()];
const jwk = ({ publicKey }: { publicKey: KeyObject }, kid: string) => ({
  ...publicKey.export({ format: 'jwk' }),
  kid,
});

let server: Server;
let url: string;
/** How the address of the keys answers, and how often it was asked. */
let answer: RequestListener;
let asked = 0;
const answering =
  (keys: unknown): RequestListener =>
  (_request, response) =>
    void response.end(JSON.stringify({ keys }));
const dead: RequestListener = (request) => void request.socket.destroy();

beforeAll(async () => {
  server = createServer((request, response) => {
    asked += 1;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const logged: LogEntry[] = [];
let keys: FollowedKeys | undefined;
let clock = 0;
afterEach(async () => {
  await keys?.close();
  vi.restoreAllMocks();
  logged.length = 0;
});

async function following(places: Partial<KeyPlaces>): Promise<FollowedKeys> {
  asked = 0;
  clock = 0;
  // The pause between two readings is half a minute, which a test skips.
  const real = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => real() + clock);
  keys = await followKeys({ own: [], file: null, url: null, urlEverySeconds: 3_600, ...places }, (entry) =>
    logged.push(entry),
  );
  return keys;
}

async function token(by: KeyObject, kid?: string, alg = 'EdDSA'): Promise<string> {
  return new SignJWT({ role: 'member', tenant_id: 't' })
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(by);
}

describe('published keys', () => {
  test('open the API to their tokens, beside the keys of this installation', async () => {
    answer = answering([jwk(first, 'a')]);
    const verify = makeVerifyToken(
      await following({ url, own: parseJwtSecret(Buffer.from(strongSecret), ownKeys) }),
      usualRules,
    );
    await expect(verify(await token(first.privateKey, 'a'))).resolves.toMatchObject({ role: 'member' });
    await expect(verify(await token(first.privateKey))).resolves.toMatchObject({ role: 'member' });
    const own = await token(createSecretKey(strongSecret, 'utf8'), undefined, 'HS256');
    await expect(verify(own)).resolves.toMatchObject({ role: 'member' });
    expect(asked).toBe(1);
  });

  test('are read once for any number of tokens of an unknown key, and then again only after a while', async () => {
    answer = answering([jwk(first, 'a')]);
    const verify = makeVerifyToken(await following({ url }), usualRules);
    answer = answering([jwk(first, 'a'), jwk(second, 'b')]);
    const newcomer = await token(second.privateKey, 'b');
    // The start was a reading, so the first seconds after it bring none.
    await expect(verify(newcomer)).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
    expect(asked).toBe(1);

    clock = 31_000;
    const together = await Promise.all([newcomer, newcomer, newcomer].map((each) => verify(each)));
    expect(together.map(({ role }) => role)).toEqual(['member', 'member', 'member']);
    expect(asked).toBe(2);
    // Two keys are good at the same time.
    await expect(verify(await token(first.privateKey, 'a'))).resolves.toBeTruthy();

    for (let n = 0; n < 500; n += 1) {
      await expect(verify(await token(third.privateKey, `invented ${n}`))).rejects.toMatchObject({
        code: 'TOKEN_FORGED',
      });
    }
    expect(asked).toBe(2);
    clock = 62_000;
    for (let n = 0; n < 50; n += 1) await verify(await token(third.privateKey, `more ${n}`)).catch(() => {});
    expect(asked).toBe(3);
  });

  test('go on to work while the address is dead, without a token that waits for it', async () => {
    answer = answering([jwk(first, 'a')]);
    const verify = makeVerifyToken(await following({ url }), usualRules);
    const known = await token(first.privateKey, 'a');
    answer = dead;
    for (clock = 31_000; clock < 400_000; clock += 31_000) {
      await expect(verify(await token(third.privateKey, 'unknown'))).rejects.toMatchObject({
        code: 'TOKEN_FORGED',
      });
      await expect(verify(known)).resolves.toBeTruthy();
      await expect(verify(await token(first.privateKey, 'a'))).resolves.toBeTruthy();
    }
    // The fault struck: it was asked, and each pause allowed it once.
    expect(asked).toBe(13);
    expect(logged.filter(({ event }) => event === 'token-keys-unreadable')).toHaveLength(1);

    // A silent address is worse than a dead one, and holds up nobody with a known key.
    answer = () => {};
    clock += 31_000;
    const waiting = verify(await token(third.privateKey, 'unknown')).catch(() => 'refused');
    const began = Date.now();
    for (let n = 0; n < 20; n += 1)
      await expect(verify(await token(first.privateKey, 'a'))).resolves.toBeTruthy();
    expect(Date.now() - began).toBeLessThan(4_000);
    await keys?.close();
    expect(await waiting).toBe('refused');
  });

  test('that were never read refuse no good token for good: 503, and not 401', async () => {
    answer = dead;
    const verify = makeVerifyToken(await following({ url }), usualRules);
    expect(keys?.current.complete).toBe(false);
    const good = await token(first.privateKey, 'a');
    await expect(verify(good)).rejects.toMatchObject({ code: 'TOKEN_KEYS_UNKNOWN' });
    answer = answering([jwk(first, 'a')]);
    clock = 31_000;
    await expect(verify(good)).resolves.toBeTruthy();
    expect(keys?.current.complete).toBe(true);
  });

  test('that are no longer published open nothing, also to a token that was taken before, and end its streams', async () => {
    answer = answering([jwk(first, 'a'), jwk(second, 'b')]);
    const followed = await following({ url });
    const verify = makeVerifyToken(followed, usualRules);
    const [old, next] = [await token(first.privateKey, 'a'), await token(second.privateKey, 'b')];
    const ended: string[] = [];
    followed.watch((await verify(old)).keyId!, () => ended.push('a'));
    followed.watch((await verify(next)).keyId!, () => ended.push('b'));
    followed.watch((await verify(old)).keyId!, () => ended.push('left'))();

    answer = answering([jwk(second, 'b')]);
    clock = 31_000;
    await verify(await token(third.privateKey, 'unknown')).catch(() => {});
    expect(ended).toEqual(['a']);
    await expect(verify(old)).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
    await expect(verify(next)).resolves.toBeTruthy();
  });

  test.each([
    ['is not JSON', (_q, r) => void r.end('<html>')],
    ['is not a set', (_q, r) => void r.end('{"error":"x"}')],
    ['is an error', (_q, r) => void r.writeHead(500).end('{"keys":[]}')],
    [
      'redirects',
      (q, r) => {
        if (q.url === '/keys') r.writeHead(302, { location: '/elsewhere' }).end();
        else r.end(JSON.stringify({ keys: [jwk(third, 'unknown')] }));
      },
    ],
    ['is larger than a set of keys', (_q, r) => void r.end(`{"keys":[]${' '.repeat(300_000)}}`)],
    ['has too many keys', (_q, r) => void r.end(JSON.stringify({ keys: Array(101).fill(jwk(third, 'x')) }))],
  ] as [string, RequestListener][])('stay as they are when the answer %s', async (_what, broken) => {
    answer = answering([jwk(first, 'a')]);
    const verify = makeVerifyToken(await following({ url }), usualRules);
    answer = broken;
    clock = 31_000;
    await expect(verify(await token(third.privateKey, 'unknown'))).rejects.toMatchObject({
      code: 'TOKEN_FORGED',
    });
    expect(asked).toBe(2);
    expect(logged.map(({ event }) => event)).toContain('token-keys-unreadable');
    await expect(verify(await token(first.privateKey, 'a'))).resolves.toBeTruthy();
  });

  test('do not include a secret, and one broken key does not take the others away', async () => {
    const published = { kty: 'oct', k: Buffer.from(strongSecret).toString('base64url'), kid: 'public' };
    answer = answering([published, { kty: 'RSA', n: 'AQAB', e: 'AQAB' }, 7, jwk(first, 'a')]);
    const verify = makeVerifyToken(await following({ url }), usualRules);
    const forged = await token(createSecretKey(strongSecret, 'utf8'), 'public', 'HS256');
    await expect(verify(forged)).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
    await expect(verify(await token(first.privateKey, 'a'))).resolves.toBeTruthy();
    expect(logged.filter(({ event }) => event === 'token-key-skipped')).toHaveLength(3);
    expect(JSON.stringify(logged)).not.toContain(published.k);
  });
});

describe('keys in a file', () => {
  const secretOf = (bytes: string, kid?: string) => ({
    kty: 'oct',
    k: Buffer.from(bytes).toString('base64url'),
    kid,
  });
  const [one, two] = ['1'.repeat(32), '2'.repeat(32)];
  const place = (name: string): string => path.join(folder, name);
  const write = (name: string, content: unknown): void => {
    const draft = place(`${name}.new`);
    writeFileSync(draft, typeof content === 'string' ? content : JSON.stringify(content));
    renameSync(draft, place(name));
  };
  const signed = (secret: string, kid?: string) => token(createSecretKey(secret, 'utf8'), kid, 'HS256');
  const within = { timeout: 2_500, interval: 50 };

  test('are rotated without a refused token: both are good, and then the former one is not', async () => {
    write('rotated', one);
    const own = parseJwtSecret(Buffer.from(one), ownKeys);
    const followed = await following({ own, file: place('rotated') });
    const verify = makeVerifyToken(followed, usualRules);
    const former = await signed(one);
    let ended = 0;
    // The key that has no name in the plain file is the same key in the set, so nothing ends on the way.
    followed.watch((await verify(former)).keyId!, () => (ended += 1));

    const failures: unknown[] = [];
    let good = [former];
    let requests = 0;
    const loading = new AbortController();
    const load = (async () => {
      while (!loading.signal.aborted) {
        for (const each of good) {
          requests += 1;
          await verify(each).catch((error: unknown) => failures.push(error));
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    // First the new key is made known, at the second place: nobody signs with it yet.
    write('rotated', { keys: [{ ...secretOf(one), alg: 'HS256' }, secretOf(two, 'new')] });
    const next = await signed(two, 'new');
    await expect
      .poll(
        () =>
          verify(next).then(
            () => true,
            () => false,
          ),
        within,
      )
      .toBe(true);
    // Then tokens are signed with it, and those of the former key run out.
    good = [former, next];
    write('rotated', { keys: [secretOf(two, 'new'), { ...secretOf(one), alg: 'HS256' }] });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    good = [next];
    expect(ended).toBe(0);
    // At last it is taken away.
    write('rotated', { keys: [secretOf(two, 'new')] });
    await expect.poll(() => ended, within).toBe(1);
    await expect(verify(former)).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
    loading.abort();
    await load;
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
  });

  test('stay as they were while the file is half written, empty or gone, and the log says so once', async () => {
    write('broken', one);
    const followed = await following({
      own: parseJwtSecret(Buffer.from(one), ownKeys),
      file: place('broken'),
    });
    const verify = makeVerifyToken(followed, usualRules);
    await verify(await signed(one));
    const complaints = () => logged.filter(({ event }) => event === 'token-keys-unreadable').length;
    write('broken', JSON.stringify({ keys: [secretOf(two)] }).slice(0, -2));
    await expect.poll(complaints, within).toBe(1);
    rmSync(place('broken'));
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await expect(verify(await signed(one))).resolves.toBeTruthy();
    expect(complaints()).toBe(1);
    expect(JSON.stringify(logged)).not.toContain(secretOf(two).k);
    write('broken', `${two}\n`);
    const next = await signed(two);
    await expect
      .poll(
        () =>
          verify(next).then(
            () => true,
            () => false,
          ),
        within,
      )
      .toBe(true);
  });

  test('are followed behind a link that is turned, as platforms mount secrets', async () => {
    write('v1', one);
    write('v2', two);
    symlinkSync(place('v1'), place('mounted'));
    const followed = await following({
      own: parseJwtSecret(Buffer.from(one), ownKeys),
      file: place('mounted'),
    });
    const verify = makeVerifyToken(followed, usualRules);
    symlinkSync(place('v2'), place('turned'));
    renameSync(place('turned'), place('mounted'));
    const next = await signed(two);
    await expect
      .poll(
        () =>
          verify(next).then(
            () => true,
            () => false,
          ),
        within,
      )
      .toBe(true);
  });
});
