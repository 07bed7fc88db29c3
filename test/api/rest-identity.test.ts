import { describe, expect, test } from 'vitest';
import { makeAuthenticate } from '../../src/auth/authenticate.ts';
import { identifyByClaims } from '../../src/api/rest-identity.ts';
import { makeVerifyToken, signToken } from '../../src/auth/jwt.ts';
import { keysOf, usualRules } from '../support/token-keys.ts';

const secret = 'a secret of the tests, longer than 32 bytes';
const now = new Date('2026-01-02T03:04:05Z');
const authenticate = makeAuthenticate(
  {
    jwt: makeVerifyToken(keysOf(secret), usualRules, () => now.getTime()),
    session: () => Promise.reject(new Error('not a session')),
    key: () => Promise.reject(new Error('not a key')),
  },
  (tenantId) => tenantId === 'locked',
);
const identify = identifyByClaims(authenticate, 'lightning');

function bearer(tenantId: string, lifetimeSeconds: number, by = secret): Promise<string> {
  const request = { role: 'member', tenantId, subject: 'ann', lifetimeSeconds } as const;
  return signToken(by, request, now).then((token) => `Bearer ${token}`);
}

describe('the requester over REST', () => {
  test('is nobody without a token', async () => {
    expect(await identify(undefined)).toMatchObject({
      role: 'lightning_anon',
      isAnonymous: true,
      settings: { role: 'lightning_anon', 'app.tenant_id': '', 'request.jwt.claims': '{"role":"anon"}' },
    });
  });

  test('is who the token says, one object for all requests with it', async () => {
    const token = await bearer('acme', 60);
    const requester = await identify(token);
    expect(requester).toMatchObject({
      role: 'lightning_member',
      isAnonymous: false,
      settings: { role: 'lightning_member', 'app.tenant_id': 'acme' },
    });
    expect(await identify(token)).toBe(requester);
    expect(Object.isFrozen(requester) && Object.isFrozen(requester.settings)).toBe(true);
  });

  test.each([
    ['is out of date', bearer('acme', -60), 'PGRST303', 'JWT expired', 401],
    ['is forged', bearer('acme', 60, `${secret}!`), 'PGRST301', 'JWT cryptographic operation failed', 401],
    ['is malformed', Promise.resolve('Bearer x'), 'PGRST301', "JWT couldn't be decoded", 401],
    ['is of another scheme', Promise.resolve('Basic eA=='), 'PGRST301', "JWT couldn't be decoded", 401],
  ])(
    'with a token that %s gets an error in words that clients know',
    async (_what, header, code, message, status) => {
      const error = await identify(await header).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code, message, status });
      expect(error).toMatchObject({
        headers: [['WWW-Authenticate', `Bearer error="invalid_token", error_description="${message}"`]],
      });
    },
  );

  test('of a locked tenant is turned away, without a demand for credentials', async () => {
    await expect(identify(await bearer('locked', 60))).rejects.toMatchObject({
      code: 'LTR403',
      status: 403,
      message: 'the tenant locked is suspended',
      headers: [],
    });
  });
});
