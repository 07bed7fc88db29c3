import type { Command } from 'commander';
import type { Executor } from '../db/database.ts';
import { asOwner } from '../db/installation.ts';
import type { Installation } from '../db/installation.ts';
import { roleName } from '../db/roles.ts';
import { quoteIdentifier, quoteLiteral, sql } from '../db/statement.ts';
import type { Log } from '../log.ts';
import { UsageError } from './usage-error.ts';

/** What a login may use at most. Left out: as it is, and the defaults of app_private.tenant_logins for a new login. */
export interface LoginLimits {
  readonly connections?: number;
  readonly statementSeconds?: number;
  readonly transactionSeconds?: number;
  readonly idleInTransactionSeconds?: number;
  readonly idleSeconds?: number;
}

/** What a login of a tenant may do: read as an analyst, or read and write as a service. */
export type LoginRole = 'analyst' | 'service';

/** A login of a tenant as operators see it. */
export interface LimitedLogin {
  readonly login: string;
  readonly tenant_id: string;
  readonly role: LoginRole;
  readonly connections: number;
  readonly statement_seconds: number;
  readonly transaction_seconds: number;
  readonly idle_in_transaction_seconds: number;
  readonly idle_seconds: number;
  /** Whether the role has the same number of connections. */
  readonly limited: boolean;
}

/**
 * Settings of the role, beside the times. A login may change all of them for itself but `temp_file_limit`, which takes a right that
 * setup hands on where it can. Most memory of a statement is `work_mem` times `hash_mem_multiplier`, for each of its steps.
 */
const memorySettings: readonly (readonly [name: string, value: string])[] = [
  ['work_mem', '8MB'],
  ['hash_mem_multiplier', '2'],
  ['maintenance_work_mem', '16MB'],
  ['temp_buffers', '8MB'],
  ['max_parallel_workers_per_gather', '1'],
  ['max_parallel_maintenance_workers', '0'],
  ['lock_timeout', '10s'],
];
const mostTemporaryFiles = '1GB';

/** The logins of tenants with their limits, ordered by name. */
export async function listLogins(installation: Installation): Promise<LimitedLogin[]> {
  const { rows } = await asOwner(installation).query<LimitedLogin>(
    sql`select * from ops.login_limits order by login`,
  );
  return rows;
}

/** Limits one login, or all that belong to a tenant where `name` is null. Returns their names. Open sessions keep their settings. */
export async function limitLogins(
  installation: Installation,
  name: string | null,
  limits: LoginLimits,
): Promise<string[]> {
  const { database, rolePrefix } = installation;
  const known = await listLogins(installation);
  const chosen = known.filter(({ login }) => name === null || login === name).map(({ login }) => login);
  if (name !== null && chosen.length === 0) {
    throw new UsageError(
      `login ${name} does not belong to a tenant; to list those that do: lightning login list`,
    );
  }
  await database.transaction({}, async (transaction) => {
    for (const login of chosen) await limitLogin(transaction, rolePrefix, login, limits);
  });
  return chosen;
}

/** Notes a bound login's limits and puts them on its role. `executor` is the login of migrations, in a transaction. */
export async function limitLogin(
  executor: Executor,
  rolePrefix: string,
  login: string,
  limits: LoginLimits,
): Promise<void> {
  const { connections, statementSeconds, transactionSeconds, idleInTransactionSeconds, idleSeconds } = limits;
  await executor.query({ text: `set local role ${quoteIdentifier(roleName(rolePrefix, 'owner'))}` });
  await executor.query(sql`
    select ops.limit_login(${login}, ${connections ?? null}, ${statementSeconds ?? null}, ${transactionSeconds ?? null},
      ${idleInTransactionSeconds ?? null}, ${idleSeconds ?? null})`);
  const { rows } = await executor.query<LimitedLogin>(
    sql`select * from ops.login_limits where login = ${login}`,
  );
  await executor.query({ text: 'reset role' });
  const [now] = rows;
  if (!now) throw new UsageError(`login ${login} does not belong to a tenant`);
  const role = quoteIdentifier(login);
  const settings = [
    ...memorySettings,
    ['statement_timeout', `${now.statement_seconds}s`],
    ['transaction_timeout', `${now.transaction_seconds}s`],
    ['idle_in_transaction_session_timeout', `${now.idle_in_transaction_seconds}s`],
    ['idle_session_timeout', `${now.idle_seconds}s`],
  ] as const;
  await executor.query({ text: `alter role ${role} connection limit ${now.connections}` });
  for (const [setting, value] of settings)
    await executor.query({ text: `alter role ${role} set ${setting} to ${quoteLiteral(value)}` });
  if (await mayLimitFiles(executor))
    await executor.query({
      text: `alter role ${role} set temp_file_limit to ${quoteLiteral(mostTemporaryFiles)}`,
    });
}

/** Whether the executor's login may limit the temporary files of others: setup lets the login of migrations, where it can. */
async function mayLimitFiles(executor: Executor): Promise<boolean> {
  const { rows } = await executor.query<{ may: boolean }>(
    sql`select pg_catalog.has_parameter_privilege('temp_file_limit', 'set') as may`,
  );
  return rows[0]?.may ?? false;
}

/** Warns when the server lets the login of migrations put no limit on the temporary files of others. */
export async function warnOfUnlimitedFiles({ database }: Installation, log: Log): Promise<void> {
  if (await mayLimitFiles(database)) return;
  log({
    level: 'warning',
    event: 'temporary-files-unlimited',
    message:
      'the temporary files of logins have no limit, because the login of migrations may not set temp_file_limit: ' +
      'run lightning setup as a superuser, then lightning login limit',
  });
}

/** The flags of limits, as commander gives them. */
export interface LimitFlags {
  readonly connections?: number;
  readonly statement?: number;
  readonly transaction?: number;
  readonly idleInTransaction?: number;
  readonly idle?: number;
}

/** Adds the flags of limits to a command. */
export function withLimits(command: Command): Command {
  return command
    .option(
      '--connections <number>',
      'the connections that it may have at a time (default: 5, of a service 20)',
      atMost(1000),
    )
    .option('--statement <seconds>', 'how long a statement may run (default: 20)', atMost(86_400))
    .option('--transaction <seconds>', 'how long a transaction may be open (default: 25)', atMost(86_400))
    .option(
      '--idle-in-transaction <seconds>',
      'how long an open transaction may do nothing (default: 15)',
      atMost(86_400),
    )
    .option(
      '--idle <seconds>',
      'how long a session may do nothing (default: 3600, of a service 86400)',
      atMost(604_800),
    );
}

/** The limits that the flags name. */
export function limitsOf(flags: LimitFlags): LoginLimits {
  return {
    ...(flags.connections === undefined ? {} : { connections: flags.connections }),
    ...(flags.statement === undefined ? {} : { statementSeconds: flags.statement }),
    ...(flags.transaction === undefined ? {} : { transactionSeconds: flags.transaction }),
    ...(flags.idleInTransaction === undefined ? {} : { idleInTransactionSeconds: flags.idleInTransaction }),
    ...(flags.idle === undefined ? {} : { idleSeconds: flags.idle }),
  };
}

function atMost(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[1-9][0-9]{0,8}$/.test(text) || value > most)
      throw new UsageError(`expected a whole number from 1 to ${most}, got ${JSON.stringify(text)}`);
    return value;
  };
}
