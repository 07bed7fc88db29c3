import { setTimeout as pause } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { readReferences } from '../export/load-plan.ts';
import type { Reference } from '../export/load-plan.ts';
import type { OnProgress } from '../on-progress.ts';
import { OperationalError } from '../operational-error.ts';

/** A deletion as ops.tenant_removals has it. */
export interface Removal {
  /** The id of the export that was made before; null: none was. */
  readonly export_id: string | null;
  /** Rows that were deleted so far, by table. */
  readonly row_counts: Readonly<Record<string, number>>;
}

/** The clock's part, the end and the progress of a deletion. */
export interface DeletionRun {
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
  /** Left out: those of docs/waits.md. */
  readonly limits?: Partial<DeletionLimits>;
}

/** Times, in milliseconds. */
export interface DeletionLimits {
  /** How long a statement should take: the sizes of batches follow. */
  readonly batch: number;
  /** Between two tries of a batch that met a lock of another session. */
  readonly betweenTries: number;
  /** For transactions that began before. */
  readonly transactions: number;
  /** Until every process of the API knows that the tenant is suspended: it looks every second. */
  readonly untilRefused: number;
  /** Longer than a request may take. */
  readonly requests: number;
}

const usualLimits: DeletionLimits = {
  batch: 50,
  betweenTries: 1_000,
  transactions: 600_000,
  untilRefused: 2_000,
  requests: 60_000,
};

/** The deletion of a tenant cannot end now. It stays suspended, and the same command goes on. */
export class DeletionStopped extends OperationalError {
  override name = 'DeletionStopped';
}

const firstBatch = 200;
const largestBatch = 10_000;
const smallestBatch = 20;
/** The others have the database for as long as a batch took, and for this long at least. */
const shortestPauseMs = 5;
/** Passes over all tables until nothing comes after. The worker may be in the middle of work on rows of the tenant in the first. */
const mostPasses = 20;
/** A batch that met a lock of another session is tried again. */
const mostTries = 30;
const betweenLooksMs = 200;

/** Suspends a tenant and begins its deletion, or finds the one that was interrupted. The executor is the owner. */
export async function beginDeletion(executor: Executor, tenant: string): Promise<Removal> {
  const { rows } = await executor.query<Removal>(
    sql`select export_id, row_counts from ops.begin_tenant_removal(${tenant})`,
  );
  return rows[0]!;
}

/** Writes down that the tenant was exported before its rows went. */
export async function noteExport(executor: Executor, tenant: string, exportId: string): Promise<void> {
  await executor.query(sql`update ops.tenant_removals set export_id = ${exportId} where id = ${tenant}`);
}

/**
 * Deletes every row of a tenant whose deletion has begun, and the tenant, in batches that are a transaction each, with a pause after each.
 * Can be ended anywhere and run again. Returns the number of rows by table, those of earlier runs included. The executor is the
 * owner, and commits each statement by itself. Rejects with DeletionStopped when something keeps rows.
 */
export async function deleteTenant(
  executor: Executor,
  tenant: string,
  run: DeletionRun,
): Promise<Readonly<Record<string, number>>> {
  for (let pass = 1; ; pass += 1) {
    await deleteRows(executor, tenant, run);
    // What is being written by a transaction that began before cannot be seen yet.
    await transactionsToEnd(executor, run);
    const left = await endRemoval(executor, tenant, run);
    if (left.length === 0) break;
    if (pass === mostPasses) {
      throw new DeletionStopped(
        `${left.join(', ')} had new rows of tenant ${tenant} after each of ${mostPasses} passes; find out what writes them, and run the command again`,
      );
    }
  }
  const { rows } = await executor.query<Removal>(
    sql`select export_id, row_counts from ops.tenant_removals where id = ${tenant}`,
  );
  return rows[0]!.row_counts;
}

/** Returns the tables that still have rows; none: the tenant is gone. */
async function endRemoval(executor: Executor, tenant: string, run: DeletionRun): Promise<readonly string[]> {
  try {
    const { rows } = await retried(run, 'the tenant', () =>
      executor.query<{ left: readonly string[] }>(sql`select ops.end_tenant_removal(${tenant}) as left`),
    );
    return rows[0]?.left ?? [];
  } catch (error) {
    if (!isReferred(error)) throw error;
    throw new DeletionStopped(
      `a table without a column tenant_id refers to the tenant: ${inWords(error)}; delete these rows, and run the command again`,
      { cause: error },
    );
  }
}

/** One pass over all tables. What foreign keys hold is tried again when the others are done, and then in one statement. */
async function deleteRows(executor: Executor, tenant: string, run: DeletionRun): Promise<void> {
  let waiting = await tablesInOrder(executor);
  for (;;) {
    const kept: string[] = [];
    let deleted = 0;
    for (const [i, table] of waiting.entries()) {
      try {
        deleted += await deleteRowsOf(executor, { tenant, table, at: i / waiting.length }, run);
      } catch (error) {
        if (!isReferred(error)) throw error;
        kept.push(table);
      }
    }
    if (kept.length === 0) return;
    if (deleted === 0) return deleteCircle(executor, tenant, kept, run);
    waiting = kept;
  }
}

/** Deletes what is left of tables whose rows refer to each other. */
async function deleteCircle(
  executor: Executor,
  tenant: string,
  tables: readonly string[],
  run: DeletionRun,
): Promise<void> {
  const names = tables.join(', ');
  run.onProgress(null, `deleting ${names}, whose rows refer to each other`);
  try {
    await retried(run, names, () =>
      executor.query(sql`select ops.delete_tenant_circle(${tenant}, ${tables}::text[]::regclass[])`),
    );
  } catch (error) {
    if (!isReferred(error)) throw error;
    throw new DeletionStopped(
      `rows of ${names} cannot be deleted: ${inWords(error)}; delete the rows that refer to them, and run the command again`,
      { cause: error },
    );
  }
}

/** A table in a pass. */
interface Step {
  readonly tenant: string;
  readonly table: string;
  /** Where in the pass. */
  readonly at: number;
}

async function deleteRowsOf(
  executor: Executor,
  { tenant, table, at }: Step,
  run: DeletionRun,
): Promise<number> {
  const { onProgress, signal } = run;
  let size = firstBatch;
  let total = 0;
  for (;;) {
    signal.throwIfAborted();
    const howMany = size;
    const began = performance.now();
    const { rows } = await retried(run, table, () =>
      executor.query<{ count: string }>(
        sql`select ops.delete_tenant_rows(${tenant}, ${table}::regclass, ${howMany}) as count`,
      ),
    );
    const tookMs = performance.now() - began;
    const count = Number(rows[0]?.count ?? 0);
    total += count;
    if (count > 0) onProgress(at, `deleting ${table}, ${total} rows so far`);
    if (count < howMany) return total;
    size = nextSize(size, tookMs, limitsOf(run).batch);
    await rest(Math.max(tookMs, shortestPauseMs), signal);
  }
}

/** The size of a batch that takes about `targetMs`: at most twice the last one. */
export function nextSize(size: number, tookMs: number, targetMs: number): number {
  const fitting = Math.floor(size * Math.min(2, targetMs / Math.max(tookMs, 1)));
  return Math.min(largestBatch, Math.max(smallestBatch, fitting));
}

/** Sessions and keys first, so that what they let in ends; then each table before those that it refers to. Names for SQL. */
async function tablesInOrder(executor: Executor): Promise<readonly string[]> {
  const { rows } = await executor.query<{ name: string; source: string }>(
    sql`select name, source::text as source from ops.tables_of_tenants() order by name`,
  );
  const sources = new Map(rows.map(({ name, source }) => [name, source]));
  return deletionOrder([...sources.keys()], await readReferences(executor)).map((name) => sources.get(name)!);
}

const first = new Set(['app_private.api_keys', 'app_public.sessions']);
/** Deleting rows of other tables writes into it. */
const last = new Set(['app_private.events']);

/** Names of tables, each before those that it refers to. */
export function deletionOrder(names: readonly string[], references: readonly Reference[]): readonly string[] {
  const placed: string[] = [];
  const begun = new Set<string>();
  const place = (name: string): void => {
    if (begun.has(name)) return;
    begun.add(name);
    for (const { from, to } of references) if (to === name && names.includes(from)) place(from);
    placed.push(name);
  };
  names.filter((name) => first.has(name)).forEach(place);
  names.filter((name) => !last.has(name)).forEach(place);
  names.forEach(place);
  return placed;
}

/** Waits until every transaction that has written something and began before has ended. It holds nothing meanwhile. */
async function transactionsToEnd(executor: Executor, run: DeletionRun): Promise<void> {
  const { onProgress, signal } = run;
  const { rows } = await executor.query<{ mark: string }>(
    sql`select pg_snapshot_xmax(pg_current_snapshot())::text as mark`,
  );
  const mark = rows[0]!.mark;
  const deadline = performance.now() + limitsOf(run).transactions;
  for (;;) {
    const { rows: found } = await executor.query<{ ended: boolean }>(
      sql`select pg_snapshot_xmin(pg_current_snapshot()) >= ${mark}::xid8 as ended`,
    );
    if (found[0]?.ended) return;
    if (performance.now() > deadline) {
      throw new DeletionStopped(
        `a transaction that began before has been open for ${limitsOf(run).transactions / 60_000} minutes, and may still write rows of the tenant; end it (select * from pg_stat_activity order by xact_start), and run the command again`,
      );
    }
    onProgress(null, 'waiting for transactions that began before');
    await rest(betweenLooksMs, signal);
  }
}

/**
 * Waits until requests that were let in before the tenant was suspended have ended: processes of the API look every second, and a request is
 * one transaction. Goes on after a minute, because later steps find what is written meanwhile. `apiRole` is the role that only the
 * login of the API may become.
 */
export async function requestsToEnd(executor: Executor, apiRole: string, run: DeletionRun): Promise<void> {
  const { onProgress, signal } = run;
  await rest(limitsOf(run).untilRefused, signal);
  const { rows } = await executor.query<{ at: string }>(sql`select clock_timestamp()::text as at`);
  const deadline = performance.now() + limitsOf(run).requests;
  while (performance.now() < deadline) {
    const { rows: open } = await executor.query(sql`
      select
      from pg_stat_activity a
      join pg_roles r on r.oid = a.usesysid and not r.rolsuper and pg_has_role(r.oid, ${apiRole}::name, 'member')
      where a.datname = current_database() and a.pid <> pg_backend_pid() and a.xact_start < ${rows[0]!.at}::timestamptz
      limit 1`);
    if (open.length === 0) return;
    onProgress(null, 'waiting for requests that began before the tenant was suspended');
    await rest(betweenLooksMs, signal);
  }
}

function limitsOf({ limits }: DeletionRun): DeletionLimits {
  return { ...usualLimits, ...limits };
}

/** Ends at once with the reason of the signal. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** A foreign key holds a row. */
function isReferred(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && (error.code === '23503' || error.code === '23001');
}

function inWords({ message, detail }: DatabaseError): string {
  return detail === undefined ? message : `${message} (${detail})`;
}

/** Another session has a lock: it is asked again, so that nobody is held up for longer than the two seconds of a try. */
async function retried<T>(run: DeletionRun, what: string, work: () => Promise<T>): Promise<T> {
  const { onProgress, signal } = run;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const code = error instanceof DatabaseError ? error.code : undefined;
      if (code !== '55P03' && code !== '40P01') throw error;
      if (attempt === mostTries) {
        throw new DeletionStopped(
          `another session has held rows of ${what} for ${mostTries} tries; end it, and run the command again`,
          { cause: error },
        );
      }
      onProgress(null, `waiting for another session at ${what}`);
      await rest(limitsOf(run).betweenTries, signal);
    }
  }
}
