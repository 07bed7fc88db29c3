import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { makeVerifyToken, signToken } from '../../src/auth/jwt.ts';

const secret = 's'.repeat(32);
const key = Buffer.from(secret);
const start = new Date('2026-01-01T00:00:00Z');

function sign(claims: Record<string, unknown>, alg = 'HS256', signingKey: Uint8Array = key): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(signingKey);
}

describe('a token', () => {
  it('gives the claims that were signed', async () => {
    const verify = makeVerifyToken(secret, () => start.getTime());
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
    const verify = makeVerifyToken(secret, () => now);
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
    const verify = makeVerifyToken(secret);
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
    await expect(makeVerifyToken(secret)(token)).rejects.toMatchObject({ code: 'TOKEN_MALFORMED' });
  });

  it.each([
    [{ role: 'owner', tenant_id: 't' }],
    [{ role: 'lightning_admin', tenant_id: 't' }],
    [{ tenant_id: 't' }],
    [{ role: 'member' }],
    [{ role: 'member', tenant_id: '' }],
    [{ role: 'member', tenant_id: 7 }],
    [{ role: ['member'], tenant_id: 't' }],
  ])('is refused when it claims what nobody may have: %j', async (claims) => {
    await expect(makeVerifyToken(secret)(await sign(claims))).rejects.toMatchObject({ code: 'TOKEN_CLAIMS' });
  });

  it('is refused with a tampered payload, even after the original was accepted', async () => {
    const verify = makeVerifyToken(secret);
    const [header, , signature] = (await sign({ role: 'member', tenant_id: 't1' })).split('.');
    const forged = Buffer.from(JSON.stringify({ role: 'admin', tenant_id: 't1' })).toString('base64url');
    await expect(verify(`${header}.${forged}.${signature}`)).rejects.toMatchObject({ code: 'TOKEN_FORGED' });
  });
});
