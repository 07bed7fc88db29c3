import type { RequestedBackup } from '../backup/backups.ts';
import { openBackups } from '../backup/open-backups.ts';
import { asOwner } from '../db/installation.ts';
import type { Installation } from '../db/installation.ts';
import { sql } from '../db/statement.ts';
import { backUp, backupLock } from '../jobs/back-up.ts';
import { recordRun } from '../jobs/job-run.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { UsageError } from './usage-error.ts';

/**
 * Takes a backup before a command adds rows to a database, as `lightning backup` does. A database that never had a row of a tenant has nothing
 * to lose. Throws UsageError when no backup can be taken and the command was not told to do without.
 */
export async function backUpFirst(
  context: CommandContext,
  installation: Installation,
  { without, signal }: { readonly without: boolean; readonly signal: AbortSignal },
): Promise<void> {
  if (without || !(await hasRows(installation))) return;
  const requested: RequestedBackup = 'auto';
  const opened = openBackups(configure(context), context.log, now);
  if (!opened.backups)
    throw new UsageError(
      `no backup can be taken before the import: ${opened.why}; or import without one: --without-backup`,
    );
  const { backups } = opened;
  const job = { task: 'back_up', lock: backupLock, details: { requested, before: 'import' }, signal };
  const owner = asOwner(installation);
  const summary = await recordRun(owner, job, (run) =>
    backUp(
      backups,
      owner,
      requested,
      { signal: run.signal, progress: (fraction, note) => context.showProgress(fraction, note) },
      now,
    ),
  );
  context.print(`before the import: ${summary}`);
}

/** Whether a tenant has a row, or had one: then the audit log has an entry of it. */
async function hasRows(installation: Installation): Promise<boolean> {
  const { rows } = await asOwner(installation).query(sql`
    select from audit.log l
    where l.tenant_id is not null and l.operation in ('insert', 'present') and l.table_name <> 'app_public.tenants'
    limit 1`);
  return rows.length > 0;
}

function now(): Date {
  return new Date();
}
