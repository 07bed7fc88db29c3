import { randomBytes } from 'node:crypto';
import { followKeys } from '../auth/followed-keys.ts';
import type { FollowedKeys } from '../auth/followed-keys.ts';
import { JwtSecretError, ownKeys, parseJwtSecret } from '../auth/jwt-keys.ts';
import type { JwtKey } from '../auth/jwt-keys.ts';
import type { ClaimRules } from '../auth/registered-claims.ts';
import { readOrMakeSecret, secretPath } from '../auth/secret-file.ts';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/parse-config.ts';
import type { Log } from '../log.ts';

/**
 * Throws ConfigError on a server without JWT_SECRET and JWT_KEYS_URL: its processes share their keys, so none of them makes
 * one.
 */
export function requireSecret({ jwt, server, useDatabase }: Config): void {
  if (jwt.secret || jwt.keysUrl !== null || !server || !useDatabase) return;
  throw new ConfigError([
    'JWT_SECRET is missing; a server database needs one that all processes share, made with: openssl rand -hex 32',
  ]);
}

/**
 * The secret that tokens are signed and verified with, as text. An embedded database makes its own. Null: a server has published
 * keys only. Rejects with ConfigError on a server without either.
 */
export async function jwtSecret(config: Config): Promise<string | null> {
  requireSecret(config);
  if (config.jwt.secret) return config.jwt.secret.reveal();
  return config.server && config.useDatabase ? null : readOrMakeSecret(config.dataDirectory);
}

/** The keys of a secret. Throws ConfigError when it has none that can be used. */
export function keysOfSecret(secret: string | null): readonly JwtKey[] {
  if (secret === null) return [];
  let keys: readonly JwtKey[];
  try {
    keys = parseJwtSecret(Buffer.from(secret, 'utf8'), ownKeys);
  } catch (error) {
    if (!(error instanceof JwtSecretError)) throw error;
    throw new ConfigError([`JWT_SECRET cannot be used: ${error.message}`]);
  }
  if (keys.length > 0) return keys;
  throw new ConfigError(['JWT_SECRET has no key that signatures can be made or verified with']);
}

/** Opens the keys of the configuration, which follow their file and their URL from now on. */
export async function openTokenKeys(config: Config, log: Log): Promise<FollowedKeys> {
  const { secret, secretFile, keysUrl, keysEverySeconds } = config.jwt;
  const isKeptBeside = !secret && !(config.server && config.useDatabase);
  return followKeys(
    {
      own: keysOfSecret(await jwtSecret(config)),
      file: isKeptBeside ? secretPath(config.dataDirectory) : secretFile,
      url: keysUrl,
      urlEverySeconds: keysEverySeconds,
    },
    log,
  );
}

/** What the registered claims of a token have to say. */
export function claimRules({ jwt }: Config): ClaimRules {
  const { issuer, audience, maxLifetimeSeconds, skewSeconds } = jwt;
  return { issuer, audience, forEverybody: false, maxLifetimeSeconds, skewSeconds };
}

/**
 * The secrets from which keys for other purposes are derived, the one in use first: those of JWT_SECRET. Without one, the password
 * of the API's login, which all processes share as well; without that, one that only this process has.
 */
export function sharedSecrets(keys: readonly JwtKey[], { server }: Config): readonly Buffer[] {
  const secrets = keys.flatMap(({ signer }) => {
    if (signer === null) return [];
    return [signer.type === 'secret' ? signer.export() : signer.export({ type: 'pkcs8', format: 'der' })];
  });
  if (secrets.length > 0) return secrets;
  const password = server?.url ? new URL(server.url.reveal()).password : '';
  return [password === '' ? randomBytes(32) : Buffer.from(password, 'utf8')];
}
