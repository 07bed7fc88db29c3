import type { Command } from 'commander';
import { requestRoles } from '../auth/claims.ts';
import type { RequestRole } from '../auth/claims.ts';
import { signToken } from '../auth/jwt.ts';
import { hasSecret, readOrMakeSecret } from '../auth/secret-file.ts';
import type { Config } from '../config/config.ts';
import { refuseToMake } from '../open-database.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { UsageError } from './usage-error.ts';

/** The flags of `lightning token`, as they were typed. */
export interface TokenFlags {
  readonly tenant: string;
  readonly role: string;
  readonly subject: string;
  /** A duration such as `30m`, `12h`, `90d`, or `never`. */
  readonly expires: string;
}

/**
 * Signs a token with the secret of the configuration, or of the embedded database. Rejects with NoDatabase when
 * there is neither.
 */
export async function token(config: Config, flags: TokenFlags, now: Date): Promise<string> {
  if (!config.jwtSecret && !hasSecret(config.dataDirectory)) refuseToMake(config);
  return signToken(
    await jwtSecret(config),
    {
      role: parseRole(flags.role),
      tenantId: flags.tenant,
      subject: flags.subject,
      lifetimeSeconds: parseLifetime(flags.expires),
    },
    now,
  );
}

/** The secret that tokens are signed and verified with. */
export async function jwtSecret(config: Config): Promise<string> {
  return config.jwtSecret?.reveal() ?? readOrMakeSecret(config.dataDirectory);
}

function parseRole(role: string): RequestRole {
  const known = requestRoles.find((name) => name === role);
  if (!known)
    throw new UsageError(`--role is ${JSON.stringify(role)}; expected one of ${requestRoles.join(', ')}`);
  return known;
}

const secondsPer = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a duration such as `12h`; null for `never`. */
export function parseLifetime(text: string): number | null {
  if (text === 'never') return null;
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (!amount || Number(amount) === 0) {
    throw new UsageError(
      `--expires is ${JSON.stringify(text)}; expected a duration such as 30m, 12h or 90d, or never`,
    );
  }
  return Number(amount) * secondsPer[unit as keyof typeof secondsPer];
}

/** `lightning token` */
export function addToken(program: Command, context: CommandContext): void {
  program
    .command('token')
    .description('print a token for the API')
    .option('--tenant <id>', 'the tenant', 'default')
    .option('--role <role>', 'member, service or admin', 'service')
    .option('--subject <name>', 'the holder, as recorded in the audit log', 'cli')
    .option('--expires <duration>', 'a duration such as 30m, 12h or 90d, or never', '12h')
    .action(async (flags: TokenFlags) => {
      context.print(await token(configure(context), flags, new Date()));
    });
}
