import { createHmac, createPublicKey, createSecretKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SignJWT, UnsecuredJWT, decodeProtectedHeader } from 'jose';
import type { JWTHeaderParameters } from 'jose';
import { describe, expect, it, test } from 'vitest';
import { makeVerifyToken, signToken } from '../../src/auth/jwt.ts';
import { keysOf, usualRules } from '../support/token-keys.ts';

const secret = 's'.repeat(32);
const secretBytes = Buffer.from(secret);
const start = new Date('2026-01-01T00:00:00Z');

function sign(
  claims: Record<string, unknown>,
  alg = 'HS256',
  signingKey: Uint8Array = secretBytes,
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(signingKey);
}

describe('a token', () => {
  it('gives the claims that were signed', async () => {
    const verify = makeVerifyToken(keysOf(secret), usualRules, () => start.getTime());
    const token = await signToken(
      secret,
      { role: 'member', tenantId: 't1', subject: 'ann', lifetimeSeconds: 60 },
      start,
    );
    const claims = await verify(token);
    expect(claims).toMatchObject({ role: 'member', tenantId: 't1', subject: 'ann' });
    expect(JSON.parse(claims.json)).toMatchObject({ role: 'member', tenant_id: 't1', sub: 'ann' });
  });

  it('is refused once it has expired, even if it was accepted before', async () => {
    let now = start.getTime();
    const verify = makeVerifyToken(keysOf(secret), usualRules, () => now);
    const token = await signToken(
      secret,
      { role: 'member', tenantId: 't1', subject: 'a', lifetimeSeconds: 60 },
      start,
    );
    await expect(verify(token)).resolves.toMatchObject({ role: 'member' });
    now += 66_000;
    await expect(verify(token)).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
  });

  it('is refused when it is signed with another key, not signed, or under another algorithm', async () => {
    const verify = makeVerifyToken(keysOf(secret), usualRules);
    const claims = { role: 'admin', tenant_id: 't1' };
    await expect(verify(await sign(claims, 'HS256', Buffer.from('o'.repeat(32))))).rejects.toMatchObject({
      code: 'TOKEN_FORGED',
    });
    await expect(verify(new UnsecuredJWT(claims).encode())).rejects.toMatchObject({ name: 'TokenError' });
    await expect(verify(await sign(claims, 'HS512', Buffer.from('s'.repeat(64))))).rejects.toMatchObject({
      code: 'TOKEN_FORGED',
    });
  });

  it.each(['', 'abc', 'a.b.c', '....', 'Bearer x'])('is refused as malformed: %j', async (token) => {
    await expect(makeVerifyToken(keysOf(secret), usualRules)(token)).rejects.toMatchObject({
      code: 'TOKEN_MALFORMED',
    });
  });

  it.each([
    [{ role: 'owner', tenant_id: 't' }],
    [{ role: 'lightning_admin', tenant_id: 't' }],
    [{ tenant_id: 't' }],
    [{ role: 'member' }],
    [{ role: 'member', tenant_id: '' }],
    [{ role: 'member', tenant_id: 7 }],
    [{ role: ['member'], tenant_id: 't' }],
    [{ role: 'member', tenant_id: 't\0' }],
    [{ role: 'member', tenant_id: 't', sub: '\ud800' }],
  ])('is refused when it claims what nobody may have: %j', async (claims) => {
    await expect(makeVerifyToken(keysOf(secret), usualRules)(await sign(claims))).rejects.toMatchObject({
      code: 'TOKEN_CLAIMS',
    });
  });

  it('has a mark in other claims that Postgres could not read', async () => {
    const { json } = await makeVerifyToken(
      keysOf(secret),
      usualRules,
    )(await sign({ role: 'member', tenant_id: 't', note: 'a\0b' }));
    expect(JSON.parse(json)).toMatchObject({ note: 'a\uFFFDb' });
    expect(json).not.toContain('\\u0000');
  });

  it('is refused with a tampered payload, even after the original was accepted', async () => {
    const verify = makeVerifyToken(keysOf(secret), usualRules);
    const [header, , signature] = (await sign({ role: 'member', tenant_id: 't1' })).split('.');
    const other = Buffer.from(JSON.stringify({ role: 'admin', tenant_id: 't1' })).toString('base64url');
    await expect(verify(`${header}.${other}.${signature}`)).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
  });
});

const pairs = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  p521: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  ed: generateKeyPairSync('ed25519'),
} as unknown as Record<string, { publicKey: KeyObject; privateKey: KeyObject }>;
const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 }) as unknown as {
  publicKey: KeyObject;
  privateKey: KeyObject;
};
const jwkOf = (key: KeyObject, more: object = {}) => ({ ...key.export({ format: 'jwk' }), ...more });
const setOf = (...keys: object[]) => JSON.stringify({ keys });
const claims = { role: 'member', tenant_id: 't1', sub: 'ann' };
const signWith = (key: KeyObject, header: JWTHeaderParameters, payload: object = claims) =>
  new SignJWT({ ...payload }).setProtectedHeader(header).sign(key);
const verifierOf = (keys: string, rules = {}, now: () => number = Date.now) =>
  makeVerifyToken(keysOf(keys), { ...usualRules, ...rules }, now);

/** A token whose header and payload are any text, signed with HMAC. */
function forged(header: object, payload: object, key: string | Buffer): string {
  const text = [header, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

describe('the key of a token', () => {
  test.each([
    ['RS256', 'rsa'],
    ['RS384', 'rsa'],
    ['RS512', 'rsa'],
    ['PS256', 'rsa'],
    ['PS384', 'rsa'],
    ['PS512', 'rsa'],
    ['ES256', 'p256'],
    ['ES384', 'p384'],
    ['ES512', 'p521'],
    ['EdDSA', 'ed'],
    ['Ed25519', 'ed'],
  ])('may be one of %s', async (alg, name) => {
    const { publicKey, privateKey } = pairs[name]!;
    const verify = verifierOf(setOf(jwkOf(publicKey)));
    const token = await signWith(privateKey, { alg });
    await expect(verify(token)).resolves.toMatchObject({ role: 'member', tenantId: 't1', subject: 'ann' });
    // The same signature does for no other payload, and another key's for none.
    const [header, , signature] = token.split('.');
    const other = Buffer.from(JSON.stringify({ ...claims, role: 'admin' })).toString('base64url');
    await expect(verify(`${header}.${other}.${signature}`)).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
  });

  test.each([
    ['HS256', 32],
    ['HS384', 48],
    ['HS512', 64],
  ])('may be a secret of %s with %i bytes, and not with fewer', async (alg, bytes) => {
    const plain = 'k'.repeat(bytes);
    await expect(
      verifierOf(plain)(await signWith(createSecretKey(plain, 'utf8'), { alg })),
    ).resolves.toBeTruthy();
    if (bytes === 32) return;
    const short = 'k'.repeat(bytes - 1);
    const token = await signWith(createSecretKey(short, 'utf8'), { alg });
    await expect(verifierOf(short)(token)).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
  });

  test('signs with the first key of a set that can sign, whose kid the token names', async () => {
    const set = setOf(
      jwkOf(pairs['rsa']!.publicKey, { kid: 'theirs' }),
      jwkOf(pairs['p384']!.privateKey, { kid: 'ours' }),
      { kty: 'oct', k: Buffer.from(secret).toString('base64url'), kid: 'old' },
    );
    const request = { role: 'member', tenantId: 't1', subject: 'ann', lifetimeSeconds: 60 } as const;
    const token = await signToken(set, request, new Date());
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES384', kid: 'ours' });
    await expect(verifierOf(set)(token)).resolves.toMatchObject({ subject: 'ann' });
    await expect(signToken(setOf(jwkOf(pairs['rsa']!.publicKey)), request, new Date())).rejects.toThrow(
      'has public keys only',
    );
  });

  test('is never the public key as a secret, in any form that an attacker could have', async () => {
    const { publicKey } = pairs['rsa']!;
    const verify = verifierOf(setOf(jwkOf(publicKey, { kid: 'k' })));
    const forms = [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      publicKey.export({ type: 'pkcs1', format: 'pem' }),
      JSON.stringify(jwkOf(publicKey)),
      JSON.stringify(jwkOf(publicKey, { kid: 'k' })),
      Buffer.from(String(publicKey.export({ format: 'jwk' }).n), 'base64url'),
    ];
    for (const form of forms) {
      for (const kid of [undefined, 'k']) {
        const token = forged({ alg: 'HS256', ...(kid && { kid }) }, claims, form);
        await expect(verify(token)).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
      }
    }
  });

  test('is used with its own algorithms only, and an EC key with that of its curve', async () => {
    const verify = verifierOf(
      setOf(jwkOf(pairs['rsa']!.publicKey, { alg: 'RS512' }), jwkOf(pairs['p256']!.publicKey)),
    );
    await expect(verify(await signWith(pairs['rsa']!.privateKey, { alg: 'RS512' }))).resolves.toBeTruthy();
    for (const [key, alg] of [
      ['rsa', 'RS256'],
      ['rsa', 'PS512'],
      ['p384', 'ES384'],
    ] as const) {
      const token = await signWith(pairs[key]!.privateKey, { alg });
      await expect(verify(token), alg).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
    }
  });

  test('is never one that the token brings along', async () => {
    const jwk = jwkOf(attacker.publicKey, { kid: 'mine' });
    const url = 'http://127.0.0.1:1/keys';
    const verify = verifierOf(setOf(jwkOf(pairs['rsa']!.publicKey, { kid: 'k' })));
    for (const header of [{ jwk }, { jku: url }, { x5u: url }, { x5c: ['MIIB'] }, { jwk, jku: url }]) {
      for (const kid of [undefined, 'k', 'mine']) {
        const named = { alg: 'RS256', ...(kid && { kid }), ...header } as unknown as JWTHeaderParameters;
        const theirs = await signWith(attacker.privateKey, named);
        await expect(verify(theirs)).rejects.toMatchObject({ name: 'TokenError' });
        // Refused for the header alone: our own key signed this one.
        const ours = await signWith(pairs['rsa']!.privateKey, { ...named, kid: 'k' });
        await expect(verify(ours)).rejects.toMatchObject({ code: 'TOKEN_MALFORMED' });
      }
    }
    // A digest of a certificate only names the key.
    const named = await signWith(pairs['rsa']!.privateKey, { alg: 'RS256', kid: 'k', x5t: 'AAAA' });
    await expect(verify(named)).resolves.toBeTruthy();
  });

  test.each([
    [{ alg: 'none' }, 'TOKEN_FORGED'],
    [{ alg: 'None' }, 'TOKEN_MALFORMED'],
    [{ alg: 'NONE' }, 'TOKEN_MALFORMED'],
    [{ alg: '' }, 'TOKEN_MALFORMED'],
    [{ alg: ['HS256'] }, 'TOKEN_MALFORMED'],
    [{}, 'TOKEN_MALFORMED'],
    [{ alg: 'HS256', crit: ['exp'] }, 'TOKEN_MALFORMED'],
    [{ alg: 'HS256', crit: [] }, 'TOKEN_MALFORMED'],
    [{ alg: 'HS256', crit: ['b64'], b64: false }, 'TOKEN_MALFORMED'],
    [{ alg: 'HS256', kid: 7 }, 'TOKEN_MALFORMED'],
    [{ alg: 'HS256', kid: '../../dev/null' }, 'TOKEN_FORGED'],
    [{ alg: 'HS256', kid: "x' or '1'='1" }, 'TOKEN_FORGED'],
    [{ alg: 'HS256', enc: 'A128GCM' }, 'TOKEN_MALFORMED'],
    [{ alg: 'dir', enc: 'A128GCM' }, 'TOKEN_MALFORMED'],
  ])('is not found by the header %j, although the secret signed it', async (header, code) => {
    const verify = verifierOf(secret);
    await expect(verify(forged(header, claims, secret))).rejects.toMatchObject({ code });
    const unsigned = forged(header, claims, secret).replace(/[^.]*$/, '');
    await expect(verify(unsigned)).rejects.toMatchObject({ name: 'TokenError' });
    // It fails for its header and for nothing else.
    await expect(verify(forged({ alg: 'HS256' }, claims, secret))).resolves.toBeTruthy();
  });
});

describe('the claims of a token', () => {
  const at = start.getTime();
  const now = at / 1000;
  const judged = async (payload: object, rules = {}, moment = at) =>
    verifierOf(
      secret,
      rules,
      () => moment,
    )(await signWith(createSecretKey(secret, 'utf8'), { alg: 'HS256' }, { ...claims, ...payload })).then(
      () => 'taken',
      (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
    );

  test.each([
    ['exp', 'TOKEN_EXPIRED', -6, -5],
    ['nbf', 'TOKEN_CLAIMS', 6, 5],
    ['iat', 'TOKEN_CLAIMS', 6, 5],
  ])(
    '%s counts with the clocks five seconds apart, or as far as it is said',
    async (name, code, beyond, within) => {
      expect(await judged({ [name]: now + beyond })).toMatch(code);
      expect(await judged({ [name]: now + within })).toBe('taken');
      expect(await judged({ [name]: now + beyond }, { skewSeconds: 60 })).toBe('taken');
      expect(await judged({ [name]: now + within }, { skewSeconds: 0 })).toMatch(code);
    },
  );

  test.each(['exp', 'nbf', 'iat'])('%s has to be a number, and a finite one', async (name) => {
    for (const value of ['1', true, {}, [now]])
      expect(await judged({ [name]: value })).toMatch('is not a number');
    const header = Buffer.from('{"alg":"HS256"}').toString('base64url');
    const text = `${header}.${Buffer.from(`{"role":"member","tenant_id":"t1","${name}":1e999}`).toString('base64url')}`;
    const token = `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    await expect(verifierOf(secret)(token)).rejects.toMatchObject({ code: 'TOKEN_CLAIMS' });
  });

  test('have to bring an end, not too far away, where a longest lifetime is set', async () => {
    const rules = { maxLifetimeSeconds: 3_600 };
    expect(await judged({}, rules)).toMatch('TOKEN_CLAIMS: the token lacks exp');
    expect(await judged({ exp: null }, rules)).toMatch('lacks exp');
    expect(await judged({ exp: now + 3_600 }, rules)).toBe('taken');
    expect(await judged({ iat: now, exp: now + 3_600 }, rules)).toBe('taken');
    expect(await judged({ exp: now + 3_606 }, rules)).toMatch('lives for 3606 s; 3600 s are the most');
    // It was issued a day ago for a day and a minute.
    expect(await judged({ iat: now - 86_400, exp: now + 60 }, rules)).toMatch('lives for 86460 s');
    expect(await judged({ exp: 9_999_999_999 }, { maxLifetimeSeconds: null })).toBe('taken');
  });

  test('have to name the issuer and the audience that are set', async () => {
    expect(await judged({ iss: 'https://a' }, { issuer: 'https://a' })).toBe('taken');
    for (const iss of [undefined, null, 'https://b', ['https://a'], 'https://a/', '']) {
      expect(await judged({ iss }, { issuer: 'https://a' })).toMatch('another issuer');
    }
    for (const aud of ['api', ['api'], ['web', 'api']])
      expect(await judged({ aud }, { audience: 'api' })).toBe('taken');
    for (const aud of [undefined, null, 'web', [], ['web'], 'API', '']) {
      expect(await judged({ aud }, { audience: 'api' })).toMatch('another audience');
    }
    for (const aud of [7, { api: 1 }, ['api', 7]]) {
      expect(await judged({ aud }, { audience: 'api' })).toMatch('is not a string');
    }
    expect(await judged({ aud: 'anything', iss: 'anybody' })).toBe('taken');
  });

  test('count for a token that was taken before, too', async () => {
    let moment = at;
    const verify = verifierOf(secret, { maxLifetimeSeconds: 60 }, () => moment);
    const signed = (payload: object) =>
      signWith(createSecretKey(secret, 'utf8'), { alg: 'HS256' }, { ...claims, ...payload });
    const token = await signed({ iat: now, exp: now + 60 });
    const first = await verify(token);
    expect(await verify(token)).toBe(first);
    moment = at + 66_000;
    await expect(verify(token)).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
    // A clock that is set back makes a token of the future.
    moment = at - 60_000;
    await expect(verify(token)).rejects.toMatchObject({ code: 'TOKEN_CLAIMS' });
    moment = at;
    expect(await verify(token)).toBe(first);
  });

  test('name a subject that is text, or none', async () => {
    for (const sub of [7, {}, ['ann'], true])
      expect(await judged({ sub })).toMatch("the token's sub is not a string");
    expect(await judged({ sub: null })).toBe('taken');
  });

  test('are not read at all from ten thousand forged tokens, which push no good one from the memory', async () => {
    const keys = keysOf(secret);
    let verified = 0;
    const counted = {
      ...keys,
      get current() {
        verified += 1;
        return keys.current;
      },
    };
    const verify = makeVerifyToken(counted, usualRules, () => at);
    const good = await signWith(createSecretKey(secret, 'utf8'), { alg: 'HS256' });
    const before = await verify(good);
    for (let n = 0; n < 10_001; n += 1) {
      await verify(forged({ alg: 'HS256' }, { ...claims, n }, 'another secret of thirty-two bytes')).catch(
        () => {},
      );
    }
    expect(verified).toBeGreaterThan(10_000);
    expect(await verify(good)).toBe(before);
  });
});

test('a private key stays with its public half when it verifies', () => {
  const [key] = keysOf(JSON.stringify(jwkOf(pairs['rsa']!.privateKey))).current.keys;
  expect(key?.key.type).toBe('public');
  expect(key?.signer?.type).toBe('private');
  expect(createPublicKey(key!.signer!).equals(key!.key)).toBe(true);
});
