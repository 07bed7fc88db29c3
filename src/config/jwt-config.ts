import path from 'node:path';
import type { Variables } from '../environment.ts';
import type { JwtConfig } from './config.ts';
import type { OptionValues } from './option-values.ts';
import { fileVariable } from './options.ts';

/** The longest lifetime in production unless JWT_MAX_LIFETIME_SECONDS says otherwise: a stolen token opens nothing tomorrow. */
const productionLifetimeSeconds = 86_400;
/** A hundred years. */
const mostSeconds = 3_153_600_000;
const leastSecretBytes = 32;

/** Reads the options of tokens. Whether a JSON Web Key can be used is found out where it is read into a key. */
export function jwtConfig(values: OptionValues, env: Variables, production: boolean): JwtConfig {
  const file = env[fileVariable('JWT_SECRET')];
  const text = values.text('JWT_SECRET');
  const isPlain = text !== '' && !text.trimStart().startsWith('{');
  if (isPlain && Buffer.byteLength(text) < leastSecretBytes) {
    values.problems.push(
      `JWT_SECRET has ${Buffer.byteLength(text)} bytes; HS256 needs ${leastSecretBytes} or more`,
    );
  }
  const lifetime =
    values.text('JWT_MAX_LIFETIME_SECONDS') === ''
      ? production
        ? productionLifetimeSeconds
        : 0
      : values.integer('JWT_MAX_LIFETIME_SECONDS', 0, mostSeconds);
  return {
    secret: values.secret('JWT_SECRET'),
    secretFile: file ? path.resolve(file) : null,
    keysUrl: keysUrl(values),
    keysEverySeconds: values.integer('JWT_KEYS_SECONDS', 1, 86_400),
    issuer: values.text('JWT_ISSUER') || null,
    audience: values.text('JWT_AUDIENCE') || null,
    maxLifetimeSeconds: lifetime === 0 ? null : lifetime,
    skewSeconds: values.integer('JWT_CLOCK_SKEW_SECONDS', 0, 600),
  };
}

/** Whoever answers for this URL decides whose tokens are taken, so it is not asked in the clear beyond this machine. */
function keysUrl(values: OptionValues): string | null {
  const value = values.text('JWT_KEYS_URL');
  if (value === '') return null;
  const url = URL.parse(value);
  const isSafe =
    url?.protocol === 'https:' ||
    (url?.protocol === 'http:' && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname));
  if (!isSafe || url.username !== '' || url.password !== '') {
    values.problems.push(
      'JWT_KEYS_URL must have the form https://host/path, without a password; http goes to this machine only',
    );
  }
  return value;
}
