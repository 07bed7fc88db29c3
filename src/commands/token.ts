import type { Command } from 'commander';
import { requestRoles } from '../auth/claims.ts';
import type { RequestRole } from '../auth/claims.ts';
import { signToken } from '../auth/jwt.ts';
import type { TokenRequest } from '../auth/jwt.ts';
import { JwtSecretError } from '../auth/jwt-keys.ts';
import { hasSecret } from '../auth/secret-file.ts';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/parse-config.ts';
import { refuseToMake } from '../open-database.ts';
import type { CommandContext } from './command-context.ts';
import { databaseVariables, explain } from './explain.ts';
import { configure } from './configure.ts';
import { warnOfExposure } from './exposed-output.ts';
import { jwtSecret, requireSecret } from './token-keys.ts';
import { UsageError } from './usage-error.ts';

/** The flags of `lightning token`, as they were typed. */
export interface TokenFlags {
  /** Left out: `default`, or none for an operator. */
  readonly tenant?: string;
  readonly role: string;
  readonly subject: string;
  /** A duration such as `30m`, `12h`, `90d`, or `never`. Left out: 12 hours, or less where the API takes less. */
  readonly expires?: string;
}

const defaultLifetimeSeconds = 43_200;

/**
 * Signs a token with the secret of the configuration, or of the embedded database. Rejects with NoDatabase when
 * there is neither.
 */
export async function token(config: Config, flags: TokenFlags, now: Date): Promise<string> {
  requireSecret(config);
  const isEmbedded = !(config.server && config.useDatabase);
  if (isEmbedded && !config.jwt.secret && !hasSecret(config.dataDirectory)) refuseToMake(config);
  const most = config.jwt.maxLifetimeSeconds;
  const lifetimeSeconds =
    flags.expires === undefined
      ? Math.min(defaultLifetimeSeconds, most ?? Infinity)
      : parseLifetime(flags.expires);
  if (most !== null && (lifetimeSeconds === null || lifetimeSeconds > most)) {
    throw new UsageError(
      `--expires is ${flags.expires}; the API takes tokens of ${most} s at most (JWT_MAX_LIFETIME_SECONDS)`,
    );
  }
  const role = parseRole(flags.role);
  const request = { role, tenantId: tenantFor(role, flags.tenant), subject: flags.subject };
  return signedToken(config, { ...request, lifetimeSeconds }, now);
}

/** Signs a token that the API of this configuration takes. Rejects with ConfigError when it has no key that can sign. */
export async function signedToken(
  config: Config,
  request: Omit<TokenRequest, 'issuer' | 'audience'>,
  now: Date,
): Promise<string> {
  const secret = await jwtSecret(config);
  if (secret === null) {
    throw new ConfigError([
      'JWT_SECRET is missing; the keys of JWT_KEYS_URL are public, and only whoever has their private halves can sign tokens',
    ]);
  }
  const { issuer, audience } = config.jwt;
  try {
    return await signToken(secret, { ...request, issuer, audience }, now);
  } catch (error) {
    if (error instanceof JwtSecretError)
      throw new ConfigError([`JWT_SECRET cannot be used: ${error.message}`]);
    throw error;
  }
}

/** Throws UsageError for a role that no request can have. */
export function parseRole(role: string): RequestRole {
  const known = requestRoles.find((name) => name === role);
  if (!known)
    throw new UsageError(`--role is ${JSON.stringify(role)}; expected one of ${requestRoles.join(', ')}`);
  return known;
}

/** The tenant of a new token or key; null: an operator's. Throws UsageError for an operator of a tenant. */
export function tenantFor(role: RequestRole, tenant: string | undefined): string | null {
  if (role !== 'operator') return tenant ?? 'default';
  if (tenant === undefined) return null;
  throw new UsageError(
    `--tenant is ${JSON.stringify(tenant)}; an operator belongs to no tenant: leave it out`,
  );
}

/** A hundred years. A number of more digits than JSON keeps would make another time, or none. */
const longestLifetimeSeconds = 36_500 * 86_400;

const secondsPer = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a duration such as `12h`; null for `never`. */
export function parseLifetime(text: string): number | null {
  if (text === 'never') return null;
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const seconds = Number(amount) * secondsPer[unit as keyof typeof secondsPer];
  if (!(seconds > 0 && seconds <= longestLifetimeSeconds)) {
    throw new UsageError(
      `--expires is ${JSON.stringify(text)}; expected a duration such as 30m, 12h or 90d, at most 36500d, or never`,
    );
  }
  return seconds;
}

/** `lightning token` */
export function addToken(program: Command, context: CommandContext): void {
  explain(program.command('token'), {
    variables: [...databaseVariables, 'JWT_SECRET'],
    examples: [
      ['lightning token --role member --expires 8h', 'for a person'],
      ['lightning token --tenant acme --subject importer', 'for a service of another tenant'],
    ],
  })
    .description('print a token for the API')
    .option('--tenant <id>', 'the tenant (default: default; none for an operator)')
    .option('--role <role>', 'member, service, admin or operator', 'service')
    .option('--subject <name>', 'the holder, as recorded in the audit log', 'cli')
    .option(
      '--expires <duration>',
      'a duration such as 30m, 12h or 90d, or never; production takes a day at most (default: 12h)',
    )
    .action(async (flags: TokenFlags) => {
      warnOfExposure(context, 'a token');
      context.print(await token(configure(context), flags, new Date()));
    });
}
