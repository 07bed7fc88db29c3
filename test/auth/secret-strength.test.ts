import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { estimateBits, leastSecretBits } from '../../src/auth/secret-strength.ts';

describe('a secret of tokens', () => {
  test.each([
    'x'.repeat(32),
    'x'.repeat(5_000),
    'ab'.repeat(40),
    'secret'.repeat(8),
    'SecretSecretSecretSecretSecretSecret',
    'reallyreallyreallyreallyverysafe',
    'super-secret-jwt-token-with-at-least-32-characters-long',
    'your-256-bit-secret-your-256-bit-secret',
    'this is a very secret sentence for my jwt tokens',
    'MySuperSecretKeyForLightningApplication2024!',
    'agent_lightning_production_jwt_secret_key_2026',
    'abcdefghijklmnopqrstuvwxyz0123456789',
    'qwertyuiopasdfghjklzxcvbnm1234567890',
    'POIUYTREWQLKJHGFDSAMNBVCXZ0987654321',
    '0123456789abcdef0123456789abcdef0123456789abcdef',
    '11112222333344445555666677778888',
    'deadbeefdeadbeefdeadbeefdeadbeef',
    `${randomBytes(6).toString('hex')}`.repeat(6),
  ])('is weak, however long it is: %s', (secret) => {
    expect(estimateBits(secret)).toBeLessThan(leastSecretBits);
  });

  test.each([
    ['openssl rand -hex 32', () => randomBytes(32).toString('hex')],
    ['openssl rand -base64 32', () => randomBytes(32).toString('base64')],
    ['base64url of 32 bytes', () => randomBytes(32).toString('base64url')],
    ['base64 of 48 bytes', () => randomBytes(48).toString('base64')],
    ['48 bytes of a JSON Web Key', () => randomBytes(48).toString('latin1')],
  ])('is strong when it was made by %s, each time', (_by, make) => {
    for (let n = 0; n < 300; n += 1) {
      const secret = make();
      expect(estimateBits(secret), secret).toBeGreaterThan(leastSecretBits);
    }
  });

  test('has no more bits than its characters can have, and none when it is empty', () => {
    expect(estimateBits('')).toBe(0);
    expect(estimateBits(randomBytes(32).toString('hex'))).toBeLessThanOrEqual(256);
  });
});
