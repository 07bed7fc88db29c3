import { createHmac, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { makeRequesterIdentification } from '../../../src/postgrest/auth/identify-requester.ts';
import type { IdentificationOptions } from '../../../src/postgrest/auth/identify-requester.ts';
import { parseJwtSecret, postgrestKeys } from '../../../src/auth/jwt-keys.ts';
import { parseRoleClaim } from '../../../src/postgrest/auth/role-claim.ts';

const secret = 'reallyreallyreallyreallyverysafe';
const start = Date.UTC(2026, 0, 1);
const seconds = start / 1000;

function identification(options: Partial<IdentificationOptions> = {}, now: () => number = () => start) {
  return makeRequesterIdentification(
    {
      keys: parseJwtSecret(Buffer.from(secret), postgrestKeys),
      audience: null,
      roleClaim: parseRoleClaim('$.role'),
      anonymousRole: 'anon',
      cacheMaxEntries: 100,
      ...options,
    },
    now,
  );
}

/** A token that is signed by hand, so that it may claim anything. */
function token(claims: unknown, header: object = { alg: 'HS256', typ: 'JWT' }, key: string = secret): string {
  const text = typeof claims === 'string' ? claims : JSON.stringify(claims);
  const signed = [JSON.stringify(header), text]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

const bearer = (claims: unknown) => `Bearer ${token(claims)}`;

const invalid = (message: string) => [
  ['WWW-Authenticate', `Bearer error="invalid_token", error_description="${message}"`],
];

describe('a request without a token', () => {
  it('runs under the anonymous role, which is its only claim', async () => {
    const { identify } = identification();
    for (const header of [undefined, '', 'Basic dTpw', 'Bearertoken']) {
      await expect(identify(header)).resolves.toEqual({
        role: 'anon',
        isAnonymous: true,
        settings: { role: 'anon', 'request.jwt.claims': '{"role":"anon"}' },
      });
    }
  });

  it('is refused without an anonymous role', async () => {
    await expect(identification({ anonymousRole: null }).identify(undefined)).rejects.toMatchObject({
      code: 'PGRST302',
      status: 401,
      message: 'Anonymous access is disabled',
      headers: [['WWW-Authenticate', 'Bearer']],
    });
  });
});

describe('a token', () => {
  it('runs under its role, and its claims reach the database, keys in order and numbers as they were', async () => {
    const { identify } = identification();
    const claims = '{"sub":"ann", "role":"author","id":12345678901234567890,"app":{"b":[1.50,null],"a":"é"}}';
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      await expect(identify(`${scheme}   ${token(claims)}`)).resolves.toEqual({
        role: 'author',
        isAnonymous: false,
        settings: {
          role: 'author',
          'request.jwt.claims':
            '{"app":{"a":"é","b":[1.50,null]},"id":12345678901234567890,"role":"author","sub":"ann"}',
        },
      });
    }
  });

  it('runs under the anonymous role when it names none, and keeps its claims', async () => {
    const { identify } = identification();
    await expect(identify(bearer({ sub: 'ann' }))).resolves.toMatchObject({
      role: 'anon',
      isAnonymous: true,
      settings: { 'request.jwt.claims': '{"role":"anon","sub":"ann"}' },
    });
    const strict = identification({ anonymousRole: null });
    await expect(strict.identify(bearer({ sub: 'ann' }))).rejects.toMatchObject({ code: 'PGRST302' });
  });

  it('may have its role in another claim, and its claims name the role that it runs under', async () => {
    const { identify } = identification({ roleClaim: parseRoleClaim('$.app.roles[0]') });
    await expect(identify(bearer({ role: 'other', app: { roles: ['author'] } }))).resolves.toMatchObject({
      role: 'author',
      settings: { role: 'author', 'request.jwt.claims': '{"app":{"roles":["author"]},"role":"author"}' },
    });
    await expect(identify(bearer({ app: { roles: [{ x: 1 }] } }))).resolves.toMatchObject({
      role: '{"x":1}',
    });
  });

  it.each([
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['RS512', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['EdDSA', generateKeyPairSync('ed25519')],
  ] as [string, { publicKey: KeyObject; privateKey: KeyObject }][])(
    'may be signed with %s',
    async (alg, { publicKey, privateKey }) => {
      const keys = parseJwtSecret(
        Buffer.from(JSON.stringify(publicKey.export({ format: 'jwk' }))),
        postgrestKeys,
      );
      const { identify } = identification({ keys });
      const signed = await new SignJWT({ role: 'author' }).setProtectedHeader({ alg }).sign(privateKey);
      await expect(identify(`Bearer ${signed}`)).resolves.toMatchObject({ role: 'author' });
      const [header, payload] = signed.split('.');
      const forged = `${header}.${payload}.${Buffer.alloc(64, 1).toString('base64url')}`;
      await expect(identify(`Bearer ${forged}`)).rejects.toMatchObject({
        code: 'PGRST301',
        details: 'None of the keys was able to decode the JWT',
      });
    },
  );

  it('is tried with every key of a set, or with the one that it names', async () => {
    const oct = (k: string, kid?: string) => ({ kty: 'oct', k: Buffer.from(k).toString('base64url'), kid });
    const set = { keys: [oct('first'.repeat(7), 'a'), oct(secret, 'b'), oct('third'.repeat(7))] };
    const { identify } = identification({
      keys: parseJwtSecret(Buffer.from(JSON.stringify(set)), postgrestKeys),
    });
    const accepted = { role: 'author' };
    const withKid = (kid: string) => `Bearer ${token({ role: 'author' }, { alg: 'HS256', kid })}`;
    await expect(identify(bearer({ role: 'author' }))).resolves.toMatchObject(accepted);
    await expect(identify(withKid('b'))).resolves.toMatchObject(accepted);
    await expect(identify(withKid('a'))).rejects.toMatchObject({
      details: 'None of the keys was able to decode the JWT',
    });
    await expect(identify(withKid('c'))).rejects.toMatchObject({
      details: 'No suitable key was found to decode the JWT',
    });
  });

  it('cannot be checked by a server without a secret', async () => {
    await expect(identification({ keys: null }).identify('Bearer ')).rejects.toMatchObject({
      code: 'PGRST300',
      status: 500,
      message: 'Server lacks JWT secret',
      headers: [],
    });
  });

  const header = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64url');
  it.each([
    ['', 'Empty JWT is sent in Authorization header', null],
    ['a.b', 'Expected 3 parts in JWT; got 2', null],
    ['a.b.c.d', 'Expected 3 parts in JWT; got 4', null],
    ['quifquirndsjagnrgniur.fonvoienqhhdj.iuqvnvhojah', 'JWT cryptographic operation failed', null],
    [`${header({ alg: 'XS1' })}.e30.AAAA`, 'JWT cryptographic operation failed', null],
    [`${header({ alg: 'HS256' })}.e30.!!`, 'JWT cryptographic operation failed', null],
    [
      `${header({ alg: 'none' })}.e30.`,
      'Wrong or unsupported encoding algorithm',
      "JWT is unsecured but expected 'alg' was not 'none'",
    ],
    [
      token({}, { alg: 'HS256' }, 'wrong secret'),
      'No suitable key or wrong key type',
      'None of the keys was able to decode the JWT',
    ],
    [
      token({}, { alg: 'HS384' }),
      'No suitable key or wrong key type',
      'No suitable key was found to decode the JWT',
    ],
    [
      token({}, { alg: 'RS256' }),
      'No suitable key or wrong key type',
      'No suitable key was found to decode the JWT',
    ],
  ])('%j is refused: %s', async (text, message, details) => {
    await expect(identification().identify(`Bearer ${text}`)).rejects.toMatchObject({
      code: 'PGRST301',
      status: 401,
      message,
      details,
      hint: null,
      headers: invalid(message),
    });
  });

  it.each([
    [{ exp: seconds - 31 }, 'JWT expired'],
    [{ nbf: seconds + 31 }, 'JWT not yet valid'],
    [{ iat: seconds + 31 }, 'JWT issued at future'],
    [{ aud: 'other' }, 'JWT not in audience'],
    [{ aud: ['other', 'another'] }, 'JWT not in audience'],
    [{ exp: 'soon' }, "The JWT 'exp' claim must be a number"],
    [{ nbf: true }, "The JWT 'nbf' claim must be a number"],
    [{ iat: {} }, "The JWT 'iat' claim must be a number"],
    [{ aud: { a: 1 } }, "The JWT 'aud' claim must be a string or an array of strings"],
    [{ aud: ['me', 1] }, "The JWT 'aud' claim must be a string or an array of strings"],
    ['[1]', 'Parsing claims failed'],
    ['not json', 'Parsing claims failed'],
  ])('that says %j is refused: %s', async (claims, message) => {
    await expect(identification({ audience: 'me' }).identify(bearer(claims))).rejects.toMatchObject({
      code: 'PGRST303',
      status: 401,
      message,
      details: null,
      headers: invalid(message),
    });
  });

  it.each([
    { exp: seconds - 30, nbf: seconds + 30, iat: seconds + 30 },
    { exp: null, nbf: null, iat: null, aud: null },
    { aud: [] },
    { aud: 'me' },
    { aud: ['other', 'me'] },
  ])('that says %j is accepted', async (claims) => {
    await expect(identification({ audience: 'me' }).identify(bearer(claims))).resolves.toMatchObject({
      role: 'anon',
    });
  });

  it('is refused once it has expired, even if it was accepted before', async () => {
    let now = start;
    const { identify, cacheCounts } = identification({}, () => now);
    const authorization = bearer({ role: 'author', exp: seconds + 10 });
    const first = await identify(authorization);
    expect(await identify(authorization)).toBe(first);
    expect(cacheCounts()).toEqual({ requests: 2, hits: 1, evictions: 0 });
    now += 41_000;
    await expect(identify(authorization)).rejects.toMatchObject({ message: 'JWT expired' });
  });

  it('is not remembered when it is forged, or when the memory is off', async () => {
    const forged = `Bearer ${token({}, { alg: 'HS256' }, 'wrong secret')}`;
    const { identify, cacheCounts } = identification();
    for (let i = 0; i < 2; i++) await expect(identify(forged)).rejects.toThrow('No suitable key');
    expect(cacheCounts()).toMatchObject({ requests: 2, hits: 0 });
    const without = identification({ cacheMaxEntries: 0 });
    await without.identify(bearer({ role: 'a' }));
    await without.identify(bearer({ role: 'a' }));
    expect(without.cacheCounts()).toEqual({ requests: 0, hits: 0, evictions: 0 });
  });
});

describe('the memory for tokens', () => {
  it('is bounded, and keeps the tokens in use', async () => {
    const { identify, cacheCounts } = identification({ cacheMaxEntries: 2 });
    const ask = (role: string) => identify(bearer({ role }));
    await ask('kept');
    for (const role of ['a', 'b', 'c', 'd']) {
      await ask('kept');
      await ask(role);
    }
    expect(cacheCounts()).toEqual({ requests: 9, hits: 4, evictions: 3 });
  });
});
