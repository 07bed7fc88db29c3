import { describe, expect, test } from 'vitest';
import { parseLifetime, token } from '../../src/commands/token.ts';
import { UsageError } from '../../src/commands/usage-error.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import { strongSecret } from '../support/token-keys.ts';

describe('the duration of a token', () => {
  test.each([
    ['1s', 1],
    ['30m', 1_800],
    ['12h', 43_200],
    ['90d', 7_776_000],
    ['36500d', 3_153_600_000],
    ['never', null],
  ])('%s is %s seconds', (text, seconds) => {
    expect(parseLifetime(text)).toBe(seconds);
  });

  test.each([
    '',
    '0d',
    '00s',
    '12',
    'h',
    '1e3s',
    '0x10m',
    '1.5h',
    '-1h',
    ' 12h',
    '12 h',
    '12H',
    '36501d',
    `${'9'.repeat(400)}d`,
  ])('%j is refused', (text) => {
    expect(() => parseLifetime(text)).toThrow(
      'expected a duration such as 30m, 12h or 90d, at most 36500d, or never',
    );
  });
});

test('a token that the API would refuse for its lifetime is not made, and the usual one fits', async () => {
  const flags = { tenant: 'default', role: 'service', subject: 'cli' };
  const config = parseConfig({ DATABASE_URL: 'postgres://a:b@c/d', JWT_SECRET: strongSecret });
  const lifetimeOf = async (made: Promise<string>) => {
    const { exp, iat } = JSON.parse(Buffer.from((await made).split('.')[1] ?? '', 'base64url').toString());
    return exp - iat;
  };
  const now = new Date();
  for (const expires of ['never', '25h', '90d']) {
    await expect(token(config, { ...flags, expires }, now)).rejects.toThrow(UsageError);
  }
  expect(await lifetimeOf(token(config, { ...flags, expires: '24h' }, now))).toBe(86_400);
  expect(await lifetimeOf(token(config, flags, now))).toBe(43_200);
  const short = parseConfig({
    DATABASE_URL: 'postgres://a:b@c/d',
    JWT_SECRET: strongSecret,
    JWT_MAX_LIFETIME_SECONDS: '600',
    JWT_ISSUER: 'us',
    JWT_AUDIENCE: 'api',
  });
  expect(await lifetimeOf(token(short, flags, now))).toBe(600);
  const [, payload = ''] = (await token(short, flags, now)).split('.');
  expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({ iss: 'us', aud: 'api' });
});
