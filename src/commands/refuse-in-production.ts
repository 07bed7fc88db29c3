import { estimateBits, leastSecretBits } from '../auth/secret-strength.ts';
import type { Config } from '../config/config.ts';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import { keysOfSecret } from './token-keys.ts';

/** Production is refused. The message has every reason. */
export class NotForProduction extends OperationalError {
  override name = 'NotForProduction';
  readonly reasons: readonly string[];

  constructor(reasons: readonly string[]) {
    super(
      `production is refused:\n${reasons.map((reason) => `  - ${reason}`).join('\n')}\n` +
        'DEPLOYMENT=development starts it all the same; docs/configuration.md says what production is',
    );
    this.reasons = reasons;
  }
}

/** Why the configuration of an API is not fit for production, one sentence for each fault. */
export function unfitForProduction(config: Config): string[] {
  return [...weakSecrets(config), ...unlimitedTokens(config), ...plainHttp(config)];
}

function weakSecrets({ jwt }: Config): string[] {
  const weak = keysOfSecret(jwt.secret?.reveal() ?? null).filter(
    ({ key }) => key.type === 'secret' && estimateBits(key.export().toString('latin1')) < leastSecretBits,
  );
  return weak.map(({ kid }) => {
    const which = kid === null ? '' : ` (the key ${JSON.stringify(kid)})`;
    return `JWT_SECRET${which} can be guessed: it repeats itself, or has words or rows of keys; make one with: openssl rand -hex 32`;
  });
}

function unlimitedTokens({ jwt }: Config): string[] {
  return jwt.maxLifetimeSeconds === null
    ? [
        'JWT_MAX_LIFETIME_SECONDS is 0, so that a stolen token opens the API for ever; set the longest lifetime of a token',
      ]
    : [];
}

function plainHttp({ http }: Config): string[] {
  const isTold = http.tls !== null || http.allowPlainHttp || http.publicUrl?.startsWith('https://');
  return isTold || isLoopback(http.host)
    ? []
    : [
        `HOST is ${http.host}, which others reach in plain HTTP; set TLS_CERT and TLS_KEY, or behind a proxy with TLS PUBLIC_URL to its https address, ` +
          'or ALLOW_PLAIN_HTTP=true',
      ];
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** The variables of the logins, and whether the login has to see the rows of all tenants. */
const logins = [
  ['api', 'DATABASE_URL', false],
  ['migrate', 'MIGRATE_DATABASE_URL', false],
  ['worker', 'WORKER_DATABASE_URL', false],
  ['backup', 'BACKUP_DATABASE_URL', true],
] as const;

/**
 * Why the configured logins are not fit for production, one sentence for each fault. Any login may ask, because everybody may read
 * which roles there are. A name that the server does not know belongs to a pooler.
 */
export async function unfitLogins(executor: Executor, { server }: Config): Promise<string[]> {
  if (server === null) return [];
  const urls = {
    api: server.url,
    migrate: server.migrateUrl,
    worker: server.workerUrl,
    backup: server.backupUrl,
  };
  const named = logins.flatMap(([kind, variable, seesAll]) => {
    const url = urls[kind];
    return url === null
      ? []
      : [{ variable, seesAll, name: decodeURIComponent(new URL(url.reveal()).username) }];
  });
  const { rows } = await executor.query<{ login: string; role: string; superuser: boolean }>(sql`
    select l.rolname as login, r.rolname as role, r.rolsuper as superuser
    from pg_catalog.pg_roles l
    join pg_catalog.pg_roles r on pg_catalog.pg_has_role(l.oid, r.oid, 'member')
    where l.rolname = any (${named.map(({ name }) => name)}) and (r.rolsuper or r.rolbypassrls)
    order by r.rolsuper desc, r.rolname = l.rolname desc, r.rolname`);
  return named.flatMap(({ variable, seesAll, name }) => {
    const found = rows.find(({ login, superuser }) => login === name && (superuser || !seesAll));
    if (found === undefined) return [];
    const power = found.superuser ? 'is a superuser' : 'bypasses row-level security';
    const how = found.role === name ? power : `may become ${found.role}, which ${power}`;
    return [`${variable}: the login ${name} ${how}; make a plain one with: lightning setup`];
  });
}
