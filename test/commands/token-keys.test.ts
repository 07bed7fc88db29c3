import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { FollowedKeys } from '../../src/auth/followed-keys.ts';
import { claimRules, openTokenKeys, sharedSecrets } from '../../src/commands/token-keys.ts';
import { token } from '../../src/commands/token.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import { makeVerifyToken } from '../../src/auth/jwt.ts';
import { strongSecret } from '../support/token-keys.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'lightning-token-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const server = 'postgres://me:of-all-processes@127.0.0.1:1/d';
const flags = { tenant: 'default', role: 'service', subject: 'cli' };
const opened = async <T>(
  env: Record<string, string>,
  work: (keys: FollowedKeys) => T | Promise<T>,
): Promise<T> => {
  const keys = await openTokenKeys(parseConfig(env), () => {});
  try {
    return await work(keys);
  } finally {
    await keys.close();
  }
};
const publicKey = JSON.stringify(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }));

describe('the keys of a configuration', () => {
  test('take what `lightning token` signs, and what it signs fits the rules that are configured', async () => {
    const env = { DATABASE_URL: server, JWT_SECRET: strongSecret, JWT_ISSUER: 'us', JWT_AUDIENCE: 'api' };
    const config = parseConfig(env);
    const signed = await token(config, flags, new Date());
    await opened(env, async (keys) => {
      await expect(makeVerifyToken(keys, claimRules(config))(signed)).resolves.toMatchObject({
        role: 'service',
      });
      const stricter = claimRules(parseConfig({ ...env, JWT_AUDIENCE: 'another' }));
      await expect(makeVerifyToken(keys, stricter)(signed)).rejects.toMatchObject({ code: 'TOKEN_CLAIMS' });
    });
  });

  test.each([
    ['DATA_DIR/jwt-secret of an embedded database', 'jwt-secret', { DATA_DIR: folder }],
    [
      'JWT_SECRET_FILE of a server',
      'mounted',
      { DATABASE_URL: server, JWT_SECRET_FILE: path.join(folder, 'mounted') },
    ],
  ])('follow %s', async (_which, name, env) => {
    writeFileSync(path.join(folder, name), strongSecret);
    await opened(env, async (keys) => {
      const [before] = keys.current.ids;
      writeFileSync(path.join(folder, name), strongSecret.toUpperCase());
      await expect.poll(() => [...keys.current.ids], { timeout: 2_500 }).not.toContain(before);
      expect(keys.current.ids.size).toBe(1);
    });
  });

  test('are the published ones alone where there is no secret, and then nobody can sign here', async () => {
    const env = { DATABASE_URL: server, JWT_KEYS_URL: 'http://127.0.0.1:1/keys' };
    await opened(env, (keys) => expect(keys.current).toMatchObject({ keys: [], complete: false }));
    await expect(token(parseConfig(env), flags, new Date())).rejects.toThrow(
      'keys of JWT_KEYS_URL are public',
    );
    await expect(
      token(parseConfig({ DATABASE_URL: server, JWT_SECRET: publicKey }), flags, new Date()),
    ).rejects.toThrow('has public keys only');
  });

  test.each([
    ['{"kty":"oct","k":"c2hvcnQ"}', 'has a secret of 5 bytes'],
    ['{"keys":[{"kty":"oct","k":"aHVudGVyMg', 'begins like JSON'],
    ['{"keys":[]}', 'has no key'],
    ['{"keys":{}}', 'must be an array'],
  ])('are refused of %s, without a word of it', async (secret, why) => {
    const refused = await opened({ DATABASE_URL: server, JWT_SECRET: secret }, () => 'taken').catch(
      (error: Error) => error.message,
    );
    expect(refused).toMatch(/- JWT_SECRET (?:cannot be used: |has no key)/);
    expect(refused).toContain(why);
    expect(refused).not.toMatch(/c2hvcnQ|aHVudGVyMg|hunter2/);
  });

  test.each([
    'http://idp.example/keys',
    'https://me:hunter2@idp.example/keys',
    'ftp://idp.example',
    'idp.example/keys',
    'http://127.0.0.1.example/keys',
    'file:///etc/keys',
  ])('are not read from %s', (url) => {
    expect(() => parseConfig({ JWT_KEYS_URL: url })).toThrow(
      'JWT_KEYS_URL must have the form https://host/path',
    );
    expect(() => parseConfig({ JWT_KEYS_URL: url })).not.toThrow('hunter2');
  });
});

describe('the secrets that other keys are derived from', () => {
  const of = (env: Record<string, string>) =>
    opened(env, (keys) => sharedSecrets(keys.current.keys, parseConfig(env)).map(String));

  test('are the secret itself, or those of a set in its order', async () => {
    expect(await of({ DATABASE_URL: server, JWT_SECRET: strongSecret })).toEqual([strongSecret]);
    const keys = ['1', '2'].map((n) => ({
      kty: 'oct',
      k: Buffer.from(n.repeat(32)).toString('base64url'),
      kid: n,
    }));
    const set = JSON.stringify({ keys: [...keys, JSON.parse(publicKey)] });
    expect(await of({ DATABASE_URL: server, JWT_SECRET: set })).toEqual(['1'.repeat(32), '2'.repeat(32)]);
  });

  test('are never a public key: the password of the login instead, or what only this process has', async () => {
    expect(await of({ DATABASE_URL: server, JWT_SECRET: publicKey })).toEqual(['of-all-processes']);
    const bare = { DATABASE_URL: 'postgres://me@127.0.0.1:1/d', JWT_SECRET: publicKey };
    expect(await of(bare)).not.toEqual(await of(bare));
  });
});
