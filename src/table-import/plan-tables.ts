import path from 'node:path';
import { inOrder } from '../export/load-plan.ts';
import type { Reference } from '../export/load-plan.ts';
import { csvRecords } from '../import/csv-records.ts';
import { ImportError } from '../import/read-stores.ts';
import { stateOf } from '../import/regular-file.ts';
import type { OnProgress } from '../on-progress.ts';
import { contentOf } from './content.ts';
import type { Content } from './content.ts';
import type { Source } from './find-sources.ts';
import { readRecords } from './read-records.ts';
import { namesOfJson, unknownName } from './read-row.ts';
import type { RowReader } from './read-row.ts';
import type { Tables, WritableTable } from './writable-tables.ts';

/** A source, the table that its rows go into, and how they are read. */
export interface TablePlan extends RowReader {
  readonly source: Source;
  readonly content: Content;
  readonly target: WritableTable;
  /** The columns that its first records have. */
  readonly named: ReadonlySet<string>;
  /** How many records it has. */
  readonly records: number;
  /** What tells the file from another, and from itself after a change. */
  readonly state: string;
}

/** What is wanted of a plan. */
export interface PlanOptions {
  readonly sources: readonly Source[];
  /** The table of every source; null: the name of each says which. */
  readonly table: string | null;
  readonly tenantId: string;
  readonly tables: Tables;
  readonly references: readonly Reference[];
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** Records of JSON whose names are looked at to tell the columns of a source. */
const lookedAt = 1_000;

/**
 * Reads every source to its end, and finds the table of each. Rejects with ImportError before anything is changed: for a file that is of no
 * form that is read, cannot be unpacked, grows too far or has a record that is too long; for a table that is not there or not written; for
 * a column that the table does not have. Tables that others refer to come first.
 */
export async function planTables(options: PlanOptions): Promise<readonly TablePlan[]> {
  const plans: TablePlan[] = [];
  for (const source of options.sources) plans.push(await planOf(source, options));
  return inOrder(plans, ({ target }) => target.table, options.references);
}

async function planOf(
  source: Source,
  { table, tenantId, tables, onProgress, signal }: PlanOptions,
): Promise<TablePlan> {
  const handle = await source.open();
  try {
    const { state } = await stateOf(handle);
    const content = await contentOf(source.path, handle, signal);
    const name = tableNameOf(source.path, table);
    const target = tables.writable.get(name);
    if (!target) throw new ImportError(noTable(source.path, name, tables));
    let records = 0;
    let header: readonly string[] | null = null;
    const named = new Set<string>();
    for await (const pieces of readRecords(source.path, handle, content, signal)) {
      onProgress(null, `reading ${source.path}, ${records} records so far`);
      for (const { bytes, index } of pieces) {
        if (index === -1 && content.form === 'CSV') {
          const fields = csvRecords(bytes.toString('utf8')).next().value?.fields ?? [];
          header = fields;
          for (const column of fields) named.add(column);
          continue;
        }
        records += 1;
        if (content.form !== 'CSV' && records <= lookedAt)
          for (const column of namesOfJson(bytes.toString('utf8')) ?? []) named.add(column);
      }
    }
    const reader = {
      path: source.path,
      tenantId,
      columns: target.columns.filter((column) => header?.includes(column.name) ?? true),
      leftOut: new Set(target.ownColumns),
      key: target.numbered === null ? target.key : target.table.key.filter((key) => key !== target.numbered),
      header,
    };
    const problem = columnsProblem(reader, target, named, records);
    if (problem !== null) throw new ImportError(`${source.path} cannot be imported: ${problem}`);
    return { ...reader, source, content, target, named, records, state };
  } finally {
    await handle.close();
  }
}

/** `app_public.tasks.csv.gz` and `tasks.jsonl` are of tasks. */
function tableNameOf(file: string, given: string | null): string {
  const [first = '', second = ''] = (given ?? path.basename(file)).split('.');
  return first === 'app_public' ? second : first;
}

function noTable(file: string, name: string, { writable, refused }: Tables): string {
  const known = [...writable.keys()].join(', ');
  if (file === '-' && name === '-')
    return `standard input has no name that says its table: give --table, one of ${known}`;
  const reason = refused.get(name);
  return reason === undefined
    ? `${file}: there is no table ${name}; name the file after one, or give --table: ${known}`
    : `${file}: rows of ${name} are not imported: ${reason}; tables that are: ${known}`;
}

/** Why a source's columns cannot be imported, or null. */
function columnsProblem(
  reader: RowReader,
  target: WritableTable,
  named: ReadonlySet<string>,
  records: number,
): string | null {
  const known = { columns: target.columns, leftOut: reader.leftOut };
  const unknown = unknownName([...named], known);
  if (unknown !== null) return unknown;
  const twice = reader.header?.find((name, i, all) => all.indexOf(name) !== i);
  if (twice !== undefined) return `its header has the column ${twice} twice`;
  const missing = reader.key.find((name) => name !== 'tenant_id' && !named.has(name));
  return missing !== undefined && records > 0
    ? `it has no column ${missing}, by which a row is known again at a second run`
    : null;
}
