import path from 'node:path';
import type { Command } from 'commander';
import { DatabaseError } from 'pg';
import { backupKeys } from '../backup/store/open-store.ts';
import type { Config } from '../config/config.ts';
import { asOwner } from '../db/installation.ts';
import type { Installation } from '../db/installation.ts';
import { roleName } from '../db/roles.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import { CannotExport, exportDatabase, refuseExisting } from '../export/export-database.ts';
import type { Manifest } from '../export/manifest.ts';
import { beginDeletion, deleteTenant, noteExport, requestsToEnd } from '../retention/delete-tenant.ts';
import type { DeletionRun, Removal } from '../retention/delete-tenant.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { asExporter, asOperator } from './database-access.ts';
import { databaseVariables, explain } from './explain.ts';
import { dropLogin } from './login.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';

/** Flags of `lightning tenant delete`. */
interface DeleteFlags {
  readonly output?: string;
  readonly export: boolean;
  readonly yes?: true;
}

/** `lightning tenant delete` */
export function addDeleteTenant(tenant: Command, context: CommandContext): void {
  explain(tenant.command('delete <id>'), {
    variables: [
      ...databaseVariables,
      'MIGRATE_DATABASE_URL',
      'BACKUP_DATABASE_URL',
      'BACKUP_ENCRYPTION_KEY',
      'BACKUP_RETENTION_DAYS',
    ],
    examples: [
      ['lightning tenant delete acme', 'exports it, asks, and deletes every row of it'],
      ['lightning tenant delete acme --without-export --yes', 'for a script; nothing is kept'],
    ],
  })
    .description('export a tenant and delete it with all of its rows')
    .option('--output <folder>', 'the folder of the export (default: deleted-<id>-<time>)')
    .option('--without-export', 'delete it without an export')
    .option('--yes', 'do not ask')
    .action((id: string, { withoutExport, output, yes }: FlagsAsGiven) =>
      deleteNow(context, id, {
        export: !withoutExport,
        ...(output !== undefined && { output }),
        ...(yes && { yes }),
      }),
    );
}

interface FlagsAsGiven {
  readonly output?: string;
  readonly withoutExport?: true;
  readonly yes?: true;
}

async function deleteNow(context: CommandContext, id: string, flags: DeleteFlags): Promise<void> {
  if (!flags.export && flags.output !== undefined)
    throw new UsageError('--without-export and --output exclude each other');
  if (flags.output === '') throw new UsageError('--output is empty');
  if (!flags.yes && context.ask === null) {
    throw new UsageError(
      `tenant ${id} is not deleted without being asked for, and there is no terminal to ask at: add --yes`,
    );
  }
  const config = configure(context);
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const folder = flags.export ? path.resolve(flags.output ?? `deleted-${id}-${time}`) : null;
  const run: DeletionRun = { onProgress: context.showProgress, signal: untilAborted() };
  await asOperator(context, 'change', async (installation) => {
    if (folder !== null) await refuseTaken(folder);
    await refuseWhatIsKept(installation, id);
    if (!flags.yes && !(await isConfirmed(context, id, folder))) {
      throw new UsageError(`tenant ${id} was not deleted: what was typed is not its id`);
    }
    const { print } = context;
    const removal = await beginDeletion(asOwner(installation), id);
    print(`tenant ${id} is suspended`);
    await requestsToEnd(asOwner(installation), roleName(config.rolePrefix, 'anon'), run);
    for (const line of await endLogins(installation, id)) print(line);
    const exported = await exportBefore(context, { installation, config, id, folder, removal, run });
    if (exported !== null) print(exported);
    const counts = await deleteTenant(asOwner(installation), id, run);
    await forgetSamples(installation, Object.keys(counts), run);
    const rows = Object.values(counts).reduce((sum, count) => sum + count, 0);
    print(`tenant ${id} was deleted: ${rows} rows of ${Object.keys(counts).length} tables`);
    for (const line of await whatRemains(installation, config, id)) print(line);
  });
}

async function refuseTaken(folder: string): Promise<void> {
  try {
    await refuseExisting(folder);
  } catch (error) {
    throw error instanceof CannotExport ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** Refuses, before anything is asked, a tenant that does not exist, and one of which a hold keeps data. */
async function refuseWhatIsKept(installation: Installation, id: string): Promise<void> {
  const owner = asOwner(installation);
  const { rows } = await owner.query(sql`select from ops.tenants where id = ${id}`);
  if (rows.length === 0)
    throw new UsageError(`tenant ${id} does not exist; to list those that do: lightning tenant list`);
  await owner.query(sql`select app_private.refuse_held_tenant(${id})`);
}

async function isConfirmed({ ask }: CommandContext, id: string, folder: string | null): Promise<boolean> {
  const first = folder === null ? 'No export is made.' : `An export goes to ${folder} before.`;
  const typed = await ask?.(
    `Every row of the tenant ${id} is deleted, in all tables, with its logins, sessions and keys. ${first}\n` +
      `Type the id of the tenant to delete it: `,
  );
  return typed?.trim() === id;
}

/** Ends and removes the logins of a tenant. Says what became of each. */
async function endLogins(installation: Installation, id: string): Promise<readonly string[]> {
  if (installation.database.kind === 'embedded') return [];
  const owner = asOwner(installation);
  const { rows } = await owner.query<{ login: string }>(
    sql`select unnest(logins) as login from ops.tenants where id = ${id}`,
  );
  const said: string[] = [];
  for (const { login } of rows) {
    // A session that begins meanwhile sees nothing: the tenant is suspended.
    await installation.database.query({ text: `alter role ${quoteIdentifier(login)} nologin` });
    const ended = await endSessions(installation, login);
    try {
      await dropLogin(installation, login);
      said.push(`login ${login} was removed`);
    } catch (error) {
      // 2BP01: it owns something, in this database or in another one of the server.
      if (!(error instanceof DatabaseError && error.code === '2BP01')) throw error;
      await owner.query(sql`select ops.unbind_login(${login})`);
      said.push(
        `login ${login} has no tenant and cannot connect any longer; it stays, because it owns something: ${error.detail ?? error.message}`,
      );
    }
    if (!ended)
      said.push(`open sessions of ${login} go on and see no tenant: the owner lacks pg_signal_backend`);
  }
  return said;
}

/** False: the owner may not end sessions (docs/configuration.md). Without their tenant they see nothing either way. */
async function endSessions(installation: Installation, login: string): Promise<boolean> {
  try {
    await asOwner(installation).query(sql`
      select pg_terminate_backend(pid) from pg_stat_activity where usename = ${login} and pid <> pg_backend_pid()`);
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === '42501') return false;
    throw error;
  }
}

interface ExportBefore {
  readonly installation: Installation;
  readonly config: Config;
  readonly id: string;
  readonly folder: string | null;
  readonly removal: Removal;
  readonly run: DeletionRun;
}

/** Exports the tenant unless that was done, or is too late. Returns what there is to say. */
async function exportBefore(
  context: CommandContext,
  { installation, config, id, folder, removal, run }: ExportBefore,
): Promise<string | null> {
  if (removal.export_id !== null) return `tenant ${id} was exported before: ${removal.export_id}`;
  if (folder === null) return null;
  if (Object.keys(removal.row_counts).length > 0)
    return `no export is made: an earlier run has deleted rows of tenant ${id} already`;
  const keys = backupKeys(config.backup);
  const write = (database: Installation['database']): Promise<Manifest> =>
    exportDatabase({
      database,
      folder,
      tenant: id,
      tables: null,
      audit: false,
      content: 'jsonl',
      storage: keys.encryptionKey === null ? 'zstd' : 'sealed',
      keys,
      now: () => new Date(),
      onProgress: run.onProgress,
      signal: run.signal,
    });
  const manifest =
    installation.database.kind === 'embedded'
      ? await write(installation.database)
      : await asExporter(context, ({ database }) => write(database));
  await noteExport(asOwner(installation), id, manifest.id);
  const rows = manifest.tables.reduce((sum, each) => sum + each.rows, 0);
  return `exported ${rows} rows of ${manifest.tables.length} tables to ${folder}`;
}

/** The planner keeps samples of what is in a table; new ones have nothing of the tenant. A table that others hold keeps its own for now. */
async function forgetSamples(
  { database, rolePrefix }: Installation,
  tables: readonly string[],
  { onProgress, signal }: DeletionRun,
): Promise<void> {
  const settings = { role: roleName(rolePrefix, 'owner'), lock_timeout: '2s', statement_timeout: '0' };
  for (const [i, name] of tables.entries()) {
    signal.throwIfAborted();
    onProgress(i / tables.length, `analyzing ${name}`);
    const [schema = '', ...rest] = name.split('.');
    const text = `analyze ${quoteIdentifier(schema)}.${quoteIdentifier(rest.join('.'))}`;
    try {
      await database.queryWith(settings, { text });
    } catch (error) {
      if (!(error instanceof DatabaseError && error.code === '55P03')) throw error;
    }
  }
}

/** What still has something of the tenant, and until when. */
async function whatRemains(
  installation: Installation,
  { backup }: Config,
  id: string,
): Promise<readonly string[]> {
  const owner = asOwner(installation);
  const { rows: policies } = await owner.query<{ policy: string; keep: string | null }>(sql`
    select policy, keep::text as keep from ops.retention_policies where policy in ('audit', 'job_runs', 'alerts')`);
  const keep = new Map(policies.map(({ policy, keep: kept }) => [policy, kept]));
  const until = (policy: string): string =>
    keep.get(policy) == null ? 'for ever, unless somebody shortens it' : `for ${keep.get(policy)}`;
  const { rows: views } = await owner.query<{ name: string }>(sql`
    select c.oid::regclass::text as name
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    where c.relkind = 'm' order by 1`);
  const last = new Date(Date.now() + backup.retentionDays * 86_400_000).toISOString().slice(0, 10);
  return [
    'what remains of it:',
    backup.store === null
      ? '- backups and copies that were made before by other means'
      : `- backups: until about ${last} (BACKUP_RETENTION_DAYS is ${backup.retentionDays}); a restore of one brings the tenant back`,
    `- the audit log, which is sealed: what its rows were, and that they are gone, ${until('audit')} (lightning retention; policy audit)`,
    `- its id: in ops.tenant_removals for ever, in ops.job_runs ${until('job_runs')}, in ops.alerts ${until('alerts')}`,
    `- JWTs that name it: they are refused while no tenant has the id, and until they expire they open a new tenant ${id}`,
    ...views.map(({ name }) => `- the materialized view ${name}: until it is refreshed`),
  ];
}
