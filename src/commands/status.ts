import type { Command } from 'commander';
import { openBackups } from '../backup/open-backups.ts';
import type { Config } from '../config/config.ts';
import { describeUnknown, unknownVariables } from '../config/unknown-variables.ts';
import { describeChoice } from '../database-choice.ts';
import type { Executor } from '../db/database.ts';
import { databaseIsReplaced, migrationState } from '../db/migrations.ts';
import { roleName } from '../db/roles.ts';
import { missingPreparations, publicRightsIn, setupCommand } from '../db/server-preparation.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import type { Environment } from '../environment.ts';
import type { Log } from '../log.ts';
import { NoDatabase } from '../open-database.ts';
import type { CommandContext } from './command-context.ts';
import { databaseVariables, explain } from './explain.ts';
import { configure } from './configure.ts';
import { asApi } from './database-access.ts';
import type { ApiAccess } from './database-access.ts';
import { exitStatus } from './exit-status.ts';
import { printJson, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { loginsStatus } from './logins-status.ts';
import { operationsStatus } from './operations-status.ts';
import { partitionsStatus } from './partitions-status.ts';
import { poolerLines } from './pooler-status.ts';
import { unfitForProduction } from './refuse-in-production.ts';
import { line } from '../status-line.ts';
import type { StatusLine } from '../status-line.ts';

/**
 * Checks the database of the configuration: version, schema, and on a server what setup makes, and the settings that
 * backups and the pool need. Any login is enough; operations-status.ts has the checks that need more.
 */
async function databaseStatus(
  { connections: { kind }, executor, anyone }: ApiAccess,
  config: Config,
  behindPooler: boolean,
): Promise<StatusLine[]> {
  if (executor === null || anyone === null) return [];
  const startedAt = performance.now();
  const { rows } = await executor.query<{ version: string; major: number }>(sql`
    select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major`);
  const elapsedMs = Math.round(performance.now() - startedAt);
  const { version = '', major = 0 } = rows[0] ?? {};
  const lines: StatusLine[] = [
    line('database', true, `${kind}, answered in ${elapsedMs} ms`),
    line('version', major >= 17, `Postgres ${version}`, 'upgrade the server to Postgres 17 or newer'),
  ];
  if (kind === 'embedded') return [...lines, await schemaLine(anyone, 'lightning migrate')];
  const setup = await setupLine(executor, config.rolePrefix);
  const mend = setup.ok ? 'lightning migrate' : 'lightning setup (above), then lightning migrate';
  return [
    ...lines,
    setup,
    await schemaLine(anyone, mend),
    ...(await serverLines(executor, config, behindPooler)),
    ...(await publicRightsLines(executor)),
  ];
}

/** Whether the server has what `lightning setup` of this version makes. */
async function setupLine(executor: Executor, rolePrefix: string): Promise<StatusLine> {
  const missing = await missingPreparations(executor, rolePrefix);
  if (missing.length === 0) return line('setup', true, 'roles and database are as this version needs them');
  const { rows } = await executor.query<{ name: string }>(sql`select pg_catalog.current_database() as name`);
  return line('setup', false, `lacks ${missing.join(', ')}`, setupCommand(rows[0]?.name ?? ''));
}

/** What refuses a start in production, as far as the configuration tells. */
function productionLines(config: Config): StatusLine[] {
  if (!config.production || (config.server && !config.server.url)) return [];
  const reasons = unfitForProduction(config);
  if (reasons.length === 0) return [line('production', true, 'the configuration is fit for it')];
  return reasons.map((reason) => line('production', false, reason, 'see docs/configuration.md'));
}

/** The secret of the tokens, where this process could serve: on a server it has no default. */
function secretLines({ server, jwt }: Config): StatusLine[] {
  if (!server?.url) return [];
  return [
    line(
      'JWT_SECRET',
      jwt.secret !== null || jwt.keysUrl !== null,
      jwt.secret !== null
        ? 'is set'
        : jwt.keysUrl !== null
          ? 'is not set: tokens come from JWT_KEYS_URL alone'
          : 'is not set: serve, start and token need it',
      'set it to the same text of 32 bytes or more in all of them, made with: openssl rand -hex 32',
    ),
  ];
}

async function backupLines(config: Config, log: Log): Promise<readonly StatusLine[]> {
  const opened = openBackups(config, log, () => new Date());
  if (opened.backups) return opened.backups.statusLines();
  // A database that keeps nothing lacks no backups.
  return config.useDatabase ? [line('backups', false, opened.why, 'see docs/backup.md')] : [];
}

/** The status as a table for people. */
function formatStatus(lines: readonly StatusLine[]): string {
  const width = Math.max(...lines.map(({ name }) => name.length));
  return lines
    .map(({ name, ok, found, mend }) => {
      const first = `${ok ? 'ok  ' : 'MEND'} ${name.padEnd(width)}  ${found}`;
      return mend === undefined ? first : `${first}\n     ${' '.repeat(width)}  -> ${mend}`;
    })
    .join('\n');
}

async function schemaLine(anyone: Executor, mend: string): Promise<StatusLine> {
  try {
    const state = await migrationState(anyone);
    switch (state.kind) {
      case 'current':
        return line('schema', true, 'current');
      case 'behind':
        return line('schema', false, `lacks ${state.missing.join(', ')}`, mend);
      case 'ahead':
        return line(
          'schema',
          false,
          `has ${state.unknown.join(', ')}, unknown here`,
          'install the newer version',
        );
      case 'replaced':
        return line('schema', false, databaseIsReplaced, 'lightning setup --database <another name>');
      default:
        return state satisfies never;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return line(
      'schema',
      false,
      reason,
      'lightning setup --admin-url postgres://..., then lightning migrate',
    );
  }
}

/** The connections that tenants' logins may have together, as the server limits them. Any login may ask. */
async function tenantsConnections(executor: Executor, rolePrefix: string): Promise<number> {
  const groups = (['analyst', 'service'] as const).map((role) => roleName(rolePrefix, role));
  const { rows } = await executor.query<{ connections: number }>(sql`
    select coalesce(sum(r.rolconnlimit) filter (where r.rolconnlimit > 0), 0)::int as connections
    from pg_catalog.pg_auth_members m
    join pg_catalog.pg_roles r on r.oid = m.member
    where r.rolcanlogin and m.inherit_option and m.roleid in (
      select pg_catalog.to_regrole(name)
      from unnest(${groups.map(quoteIdentifier)}::text[]) name
    )`);
  return rows[0]?.connections ?? 0;
}

/** What every login of the server may do here, where setup could not take it away. */
async function publicRightsLines(executor: Executor): Promise<StatusLine[]> {
  const { open, closable } = await publicRightsIn(executor);
  // The line `setup` names what another setup takes away.
  if (open.length === 0 || closable) return [];
  return [
    line(
      'public_rights',
      false,
      `every login, also an analyst's, may use ${open.join(', ')}`,
      'run lightning setup as a superuser, or give analysts a replica (SECURITY.md)',
    ),
  ];
}

async function serverLines(
  executor: Executor,
  { pool, rolePrefix }: Config,
  behindPooler: boolean,
): Promise<StatusLine[]> {
  const { rows } = await executor.query<{ name: string; setting: string }>(sql`
    select name, setting from pg_catalog.pg_settings
    where name in ('wal_level', 'summarize_wal', 'max_wal_senders', 'max_connections', 'reserved_connections', 'data_checksums', 'ssl')`);
  const { rows: triggers } = await executor.query<{ recorder: boolean }>(sql`
    select count(*) = 2 as recorder from pg_catalog.pg_event_trigger
    where evtname in ('_800_record_ddl', '_800_record_drop') and evtenabled in ('O', 'A')`);
  const recorder = triggers[0]?.recorder;
  const setting = (name: string) => rows.find((row) => row.name === name)?.setting ?? '(unknown)';
  // A pooler makes its own connections to the server. Those of worker, migrations and backups remain.
  const own = (behindPooler ? 0 : pool.size + pool.overflow) + 20;
  const logins = await tenantsConnections(executor, rolePrefix);
  const needed = own + logins;
  const alter = (name: string, value: string, effect: string) =>
    `alter system set ${name} = ${value}; then ${effect}`;
  return [
    line(
      'max_connections',
      Number(setting('max_connections')) >= needed,
      `${setting('max_connections')}; one process, the worker and backups take up to ${own}, logins of tenants up to ${logins}`,
      alter('max_connections', String(needed), 'restart the server'),
    ),
    line(
      'reserved_connections',
      Number(setting('reserved_connections')) > 0,
      Number(setting('reserved_connections')) > 0
        ? setting('reserved_connections')
        : '0: other logins of the server can take every connection',
      alter('reserved_connections', String(own), 'restart the server'),
    ),
    line(
      'wal_level',
      setting('wal_level') !== 'minimal',
      setting('wal_level'),
      alter('wal_level', "'replica'", 'restart the server'),
    ),
    line(
      'summarize_wal',
      setting('summarize_wal') === 'on',
      setting('summarize_wal'),
      alter('summarize_wal', 'on', 'select pg_reload_conf()'),
    ),
    line(
      'max_wal_senders',
      Number(setting('max_wal_senders')) >= 3,
      setting('max_wal_senders'),
      alter('max_wal_senders', '10', 'restart the server'),
    ),
    line(
      'audit of DDL',
      recorder === true,
      recorder === true
        ? 'event triggers record it'
        : 'nothing records who changes the schema or grants rights',
      'lightning setup as a superuser makes the event triggers, which no other administrator may',
    ),
    line(
      'data_checksums',
      setting('data_checksums') === 'on',
      setting('data_checksums'),
      'stop the server, run pg_checksums --enable, start it',
    ),
  ];
}

/** What `status` shows. */
interface Status {
  /** In the order in which they are shown. */
  readonly lines: readonly StatusLine[];
  /** Whether the database could be looked at. */
  readonly answered: boolean;
}

/** The variables whose names are those of options with a slip in them: the options have their defaults. */
function variableLines(environment: Environment): StatusLine[] {
  return unknownVariables(environment)
    .filter(({ isSlip }) => isSlip)
    .map((variable) =>
      line('variables', false, describeUnknown(variable, environment.dotEnv.path), 'rename it, or remove it'),
    );
}

async function statusOf(context: CommandContext, config: Config): Promise<Status> {
  const found = [
    line('configured', true, describeChoice(config, context.environment)),
    ...variableLines(context.environment),
  ];
  try {
    if (!config.useDatabase || !config.server) {
      const looked = await asApi(context, config, (access) => look(access, config, context.log));
      return { lines: [...found, ...looked], answered: true };
    }
    const { lines: logins, usable } = await loginsStatus(config);
    const looked = await asApi(context, config, (access) => look(access, config, context.log), usable);
    const answered = (['api', 'worker', 'migrate'] as const).some((kind) => usable.has(kind));
    return {
      lines: [...found, ...logins, ...secretLines(config), ...productionLines(config), ...looked],
      answered,
    };
  } catch (error) {
    if (!(error instanceof NoDatabase)) throw error;
    return { lines: [...found, line('database', false, 'none', error.message)], answered: true };
  }
}

async function look(access: ApiAccess, config: Config, log: Log): Promise<StatusLine[]> {
  const { connections, asReader } = access;
  const pooler = await poolerLines(connections);
  const behindPooler = pooler.some(({ name }) => name === 'pooler');
  const lines = [
    ...(await databaseStatus(access, config, behindPooler)),
    ...(await backupLines(config, log)),
    ...pooler,
  ];
  // Without a schema there are no views to ask.
  if (lines.some(({ name, ok }) => name === 'schema' && !ok)) return lines;
  const operations = await asReader(async (executor) => {
    const found = await operationsStatus(executor);
    // The line `operations` already says that the views cannot be read.
    if (found.some(({ name }) => name === 'operations')) return found;
    return [...found, ...(await partitionsStatus(executor))];
  });
  return [...lines, ...(operations ?? [])];
}

/** `lightning status` */
export function addStatus(program: Command, context: CommandContext): void {
  const { print, setExitStatus } = context;
  explain(withJson(program.command('status')), {
    variables: [...databaseVariables, 'WORKER_DATABASE_URL', 'BACKUP_STORE'],
    examples: [
      ['lightning status', 'what is found, and how to mend what is wrong'],
      ['lightning status --check', 'for a script: the exit status says whether all is well'],
    ],
  })
    .description('show the state of the database, and what has to be fixed')
    .option('--check', `exit with ${exitStatus.notReady} if anything has to be fixed`)
    .action(async (flags: ListingFlags & { check?: true }) => {
      const { lines, answered } = await statusOf(context, configure(context));
      if (flags.json) printJson(context, lines);
      else print(formatStatus(lines));
      if (flags.check && lines.some(({ ok }) => !ok)) setExitStatus(exitStatus.notReady);
      else if (!answered) setExitStatus(exitStatus.failed);
    });
}
