import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { withoutByteOrderMark } from '../storable-text.ts';
import { csvRecords } from './csv-records.ts';
import { isJsonObject, readJsonArray } from './json-items.ts';
import type { JsonValue } from './json-items.ts';
import { makePoint, pointImportRow, pointKey, pointsTarget } from './points.ts';
import type { Point } from './points.ts';
import { makePlaces } from './point-places.ts';
import { refuseItem, refuseUnreadable } from './quarantine.ts';
import type { Refusal } from './quarantine.ts';
import { readRegular } from './regular-file.ts';
import { rowJson, rowText } from './sqlite-cells.ts';
import { beginning, isSqlite, withSqlite } from './sqlite.ts';
import type { FileContent, SourceFile, Store } from './store.ts';

const folders = ['exports', 'migrations'];
/** Columns that every source of points has. `result` and `table` belong to the query that exported them; all others are tags. */
const needed = ['time', 'measurement', 'field', 'value'];
const noTags: ReadonlySet<string> = new Set([...needed, 'result', 'table']);

/** Where files disagree by less, the longer value is the original and the other one was cut. */
const precision = 1e-10;

/** Points that were exported from a time-series store, as CSV, JSON or SQLite. */
export const metricPoints: Store = {
  name: 'points',
  looksFor: folders.map((folder) => `${folder}/*`).join(' and '),
  entries: folders,
  find: async (root) => {
    const files: string[] = [];
    const strangers: string[] = [];
    let isThere = false;
    for (const folder of folders) {
      const entries = await readdir(path.join(root, folder)).catch(() => null);
      isThere ||= entries !== null;
      for (const entry of entries?.toSorted() ?? []) {
        const file = `${folder}/${entry}`;
        ((await hasPoints(path.join(root, file))) ? files : strangers).push(file);
      }
    }
    return isThere ? { files, strangers } : null;
  },
  read,
  prepare: makePlaces,
  target: pointsTarget,
};

/** Whether a file is one of points, by its content. A database that is damaged counts, so that it is refused by name. */
async function hasPoints(file: string): Promise<boolean> {
  try {
    if (isSqlite(await beginning(file)))
      return await withSqlite(file, ({ tables }) => tables.some(({ columns }) => isComplete(columns))).catch(
        () => true,
      );
    const start = await readRegular(file, file, { most: Infinity, first: 65_536 });
    const text = start.toString('utf8');
    const [header] = csvRecords(text);
    return text.trimStart().startsWith('[') || isComplete(header?.fields ?? []);
  } catch {
    return false;
  }
}

/** The tables with rows, beside those of points, in the databases of points. */
export async function tablesBesidePoints(
  root: string,
): Promise<{ file: string; name: string; rows: number }[]> {
  const found = await metricPoints.find(root);
  const beside: { file: string; name: string; rows: number }[] = [];
  for (const file of found?.files ?? []) {
    const full = path.join(root, file);
    if (!isSqlite(await beginning(full))) continue;
    const tables = await withSqlite(full, (open) => open.tables).catch(() => []);
    for (const { name, columns, rows } of tables)
      if (rows > 0 && !isComplete(columns)) beside.push({ file, name, rows });
  }
  return beside;
}

function isComplete(columns: readonly string[]): boolean {
  return needed.every((column) => columns.includes(column));
}

/** A point of a file, its place there, and its form in the file. */
interface Read {
  readonly index: number;
  readonly text: string;
  readonly point: Point | string;
  /** What the point is known by, also where its value is not a number; null: it has no name or time. */
  readonly key: string | null;
}

async function read(files: readonly SourceFile[]): Promise<readonly FileContent[]> {
  const contents: { path: string; items: readonly Read[]; refusals: Refusal[] }[] = [];
  for (const file of files) contents.push({ path: file.path, ...(await readFileOf(file)) });
  const kept = chooseValues(contents.flatMap(({ items }) => items.map(({ point }) => point)));
  const seen = new Set<string>();
  const [first, ...others] = contents.map(({ path: file, items, refusals }) => {
    const rows = items.flatMap(({ point, key, ...item }) => {
      if (typeof point === 'string' || key === null) {
        refusals.push(refuseItem(file, item, String(point)));
        return [];
      }
      const value = kept.get(key) ?? point.value;
      if (Math.abs(Number(value) - Number(point.value)) >= precision) {
        const reason = `the same point stands elsewhere with the value ${value}, which is kept`;
        refusals.push(refuseItem(file, item, reason));
        return [];
      }
      const repeats = seen.has(key);
      seen.add(key);
      return [pointImportRow({ ...point, value }, item, { place: 0, repeats })];
    });
    return { path: file, rows, refusals };
  });
  return first ? [{ ...first, notes: [note(contents, kept)] }, ...others] : [];
}

/** The longest value of each point, which others were cut from; of two that are as long, the greater text. */
function chooseValues(points: readonly (Point | string)[]): Map<string, string> {
  const kept = new Map<string, string>();
  for (const point of points) {
    if (typeof point === 'string') continue;
    const key = pointKey(point);
    const other = kept.get(key);
    if (other === undefined || isLonger(point.value, other)) kept.set(key, point.value);
  }
  return kept;
}

function isLonger(value: string, other: string): boolean {
  return value.length > other.length || (value.length === other.length && value > other);
}

/** How many points are distinct, how many of them are numbers, and of how many two files have different digits. */
function note(
  contents: readonly { readonly items: readonly Read[] }[],
  kept: ReadonlyMap<string, string>,
): string {
  const different = new Set<string>();
  const distinct = new Set(kept.keys());
  for (const { point, key } of contents.flatMap(({ items }) => items)) {
    if (key !== null) distinct.add(key);
    if (key === null || typeof point === 'string') continue;
    const distance = Math.abs(Number(kept.get(key)) - Number(point.value));
    if (distance > 0 && distance < precision) different.add(key);
  }
  return `${distinct.size} points are distinct, and ${kept.size} of them are numbers; for ${different.size} of these files have different digits, and the longer value was taken`;
}

async function readFileOf({
  path: file,
  full,
  bytes,
}: SourceFile): Promise<{ items: Read[]; refusals: Refusal[] }> {
  if (isSqlite(bytes)) {
    try {
      return await withSqlite(full, ({ tables, rows }) => {
        const items: Read[] = [];
        for (const { name } of tables.filter(({ columns }) => isComplete(columns))) {
          for (const row of rows(name))
            items.push({ index: items.length, text: rowText(row), ...pointOf(rowJson(row)) });
        }
        return { items, refusals: [] };
      });
    } catch (error) {
      const reason = `the file cannot be read as SQLite 3: ${error instanceof Error ? error.message : String(error)}`;
      return { items: [], refusals: [{ file, index: null, reason, original: { unopened: true } }] };
    }
  }
  const body = withoutByteOrderMark(bytes);
  if (body.toString('latin1').trimStart().startsWith('[')) {
    const { items, unreadable } = readJsonArray(body);
    return {
      items: items.map(({ index, text, value }, i) => ({
        index: index ?? i,
        text,
        ...(isJsonObject(value) ? pointOf(value) : refused('the item is not a JSON object')),
      })),
      refusals: unreadable.map((part) => refuseUnreadable(file, part)),
    };
  }
  try {
    return { items: readCsv(new TextDecoder('utf-8', { fatal: true }).decode(body)), refusals: [] };
  } catch {
    return {
      items: [],
      refusals: [refuseUnreadable(file, { index: null, bytes: body, reason: 'the text is not UTF-8' })],
    };
  }
}

function readCsv(text: string): Read[] {
  const [header, ...records] = csvRecords(text);
  const columns = header?.fields ?? [];
  return records.map(({ fields, text: line, fault }, index) => {
    if (fault !== undefined) return { index, text: line, ...refused(fault) };
    const reason = `the line has ${fields.length} fields; expected ${columns.length}`;
    if (fields.length !== columns.length) return { index, text: line, ...refused(reason) };
    const record = Object.fromEntries(columns.map((column, i) => [column, fields[i] ?? '']));
    return { index, text: line, ...pointOf(record) };
  });
}

function refused(reason: string): Pick<Read, 'point' | 'key'> {
  return { point: reason, key: null };
}

/** A tag that is empty is absent. */
function pointOf(record: { readonly [key: string]: JsonValue }): Pick<Read, 'point' | 'key'> {
  const tags = Object.entries(record).filter(
    ([name, tag]) => !noTags.has(name) && tag !== null && tag !== '',
  );
  const made = (value: JsonValue | undefined): Point | string =>
    makePoint(
      {
        service: record['measurement'],
        metric: record['field'],
        value,
        tags: Object.fromEntries(
          tags.map(([name, tag]) => [name, typeof tag === 'object' ? tag : String(tag)]),
        ),
        time: record['time'],
      },
      { service: 'measurement', metric: 'field', time: 'time' },
    );
  const point = made(record['value']);
  const named = typeof point === 'string' ? made(0) : point;
  return { point, key: typeof named === 'string' ? null : pointKey(named) };
}
