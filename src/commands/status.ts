import type { Command } from 'commander';
import { anonymous } from '../auth/claims.ts';
import { asRequester } from '../auth/requester.ts';
import { openBackups } from '../backup/open-backups.ts';
import type { Config } from '../config/config.ts';
import { configOptions } from '../config/options.ts';
import { parseConfig } from '../config/parse-config.ts';
import { describeChoice } from '../database-choice.ts';
import type { Database } from '../db/database.ts';
import { databaseIsReplaced, migrationState } from '../db/migrations.ts';
import { sql } from '../db/statement.ts';
import type { Environment } from '../environment.ts';
import type { Log } from '../log.ts';
import { NoDatabase } from '../open-database.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { asApi } from './database-access.ts';
import type { ApiAccess } from './database-access.ts';
import { exitStatus } from './exit-status.ts';
import { operationsStatus } from './operations-status.ts';
import { partitionsStatus } from './partitions-status.ts';
import { poolerLines } from './pooler-status.ts';
import { line } from '../status-line.ts';
import type { StatusLine } from '../status-line.ts';

/**
 * Checks the database of the configuration: version, schema, and on a server the settings that backups and the
 * pool need. Asks as an anonymous request would, so the API's login alone is enough. operations-status.ts has
 * the checks that need more.
 */
async function databaseStatus(
  database: Database,
  config: Config,
  { behindPooler, log }: { readonly behindPooler: boolean; readonly log: Log },
): Promise<StatusLine[]> {
  const startedAt = performance.now();
  const { rows } = await database.query<{ version: string; major: number }>(sql`
    select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major`);
  const elapsedMs = Math.round(performance.now() - startedAt);
  const { version = '', major = 0 } = rows[0] ?? {};
  const lines: StatusLine[] = [
    line('database', true, `${database.kind}, answered in ${elapsedMs} ms`),
    line('version', major >= 17, `Postgres ${version}`, 'upgrade the server to Postgres 17 or newer'),
    await schemaLine(database, config),
  ];
  if (database.kind === 'server') lines.push(...(await serverLines(database, config, behindPooler)));
  return [...lines, ...(await backupLines(config, log))];
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

/** The configuration in effect, with secrets hidden and values from `.env` marked. */
function formatConfig({ variables, exported, dotEnv }: Environment): string {
  const secret = /SECRET|PASSWORD|URL|KEY|TOKEN/;
  return configOptions
    .map(({ name, fallback }) => {
      const value = variables[name];
      if (value === undefined || value === '') return `${name.padEnd(24)} ${fallback || '(unset)'} (default)`;
      const origin = exported[name] === undefined ? ` (${dotEnv.path})` : '';
      return `${name.padEnd(24)} ${secret.test(name) ? '[secret]' : value}${origin}`;
    })
    .join('\n');
}

async function schemaLine(database: Database, { rolePrefix }: Config): Promise<StatusLine> {
  try {
    const state = await migrationState(asRequester(database, anonymous, { rolePrefix }));
    switch (state.kind) {
      case 'current':
        return line('schema', true, 'current');
      case 'behind':
        return line('schema', false, `lacks ${state.missing.join(', ')}`, 'lightning migrate');
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

async function serverLines(
  database: Database,
  { pool }: Config,
  behindPooler: boolean,
): Promise<StatusLine[]> {
  const { rows } = await database.query<{ name: string; setting: string }>(sql`
    select name, setting from pg_catalog.pg_settings
    where name in ('wal_level', 'summarize_wal', 'max_wal_senders', 'max_connections', 'data_checksums', 'ssl')`);
  const setting = (name: string) => rows.find((row) => row.name === name)?.setting ?? '(unknown)';
  // A pooler makes its own connections to the server. Those of worker, migrations and backups remain.
  const needed = (behindPooler ? 0 : pool.size + pool.overflow) + 20;
  const alter = (name: string, value: string, effect: string) =>
    `alter system set ${name} = ${value}; then ${effect}`;
  return [
    line(
      'max_connections',
      Number(setting('max_connections')) >= needed,
      setting('max_connections'),
      alter('max_connections', String(needed), 'restart the server'),
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
      'data_checksums',
      setting('data_checksums') === 'on',
      setting('data_checksums'),
      'stop the server, run pg_checksums --enable, start it',
    ),
  ];
}

/** All findings, in the order in which they are shown. */
async function statusLines(context: CommandContext, config: Config): Promise<StatusLine[]> {
  const chosen = line('configured', true, describeChoice(config, context.environment));
  try {
    return [chosen, ...(await asApi(context, config, (access) => look(access, config, context.log)))];
  } catch (error) {
    if (!(error instanceof NoDatabase)) throw error;
    return [chosen, line('database', false, 'none', error.message)];
  }
}

async function look(
  { connections, database, asReader }: ApiAccess,
  config: Config,
  log: Log,
): Promise<StatusLine[]> {
  const pooler = await poolerLines(connections);
  const behindPooler = pooler.some(({ name }) => name === 'pooler');
  const lines = [...(await databaseStatus(database, config, { behindPooler, log })), ...pooler];
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
  const { environment, print, setExitStatus } = context;
  program
    .command('status')
    .description('show the state of the database, and what has to be fixed')
    .option('--check', `exit with ${exitStatus.notReady} if anything has to be fixed`)
    .option('--config', 'show the configuration instead, with secrets hidden')
    .action(async (flags: { check?: true; config?: true }) => {
      if (flags.config) {
        parseConfig(environment.variables);
        print(formatConfig(environment));
        return;
      }
      const lines = await statusLines(context, configure(context));
      print(formatStatus(lines));
      if (flags.check && lines.some(({ ok }) => !ok)) setExitStatus(exitStatus.notReady);
    });
}
