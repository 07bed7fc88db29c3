import type { Piece } from '../import/array-cutter.ts';
import { csvRecords } from '../import/csv-records.ts';
import { isDeeper, membersOf, stringOf } from '../import/json-members.ts';
import type { JsonMember } from '../import/json-members.ts';
import { refuseItem, refuseUnreadable } from '../import/quarantine.ts';
import type { Refusal } from '../import/quarantine.ts';
import { deepest } from '../import/storable.ts';
import { storableJson } from '../storable-text.ts';
import type { WritableColumn } from './writable-tables.ts';

/** A record as a row: its place in the file, its text there, and a text for each column that is written; null is a null. */
export interface Row {
  readonly index: number;
  readonly text: string;
  readonly values: readonly (string | null)[];
}

/** How records of a source become rows. */
export interface RowReader {
  readonly path: string;
  readonly tenantId: string;
  /** The columns that are written, in the order of `Row.values`. */
  readonly columns: readonly WritableColumn[];
  /** Columns that a record may have and that are not written. */
  readonly leftOut: ReadonlySet<string>;
  /** The columns without which a row is not known again. */
  readonly key: readonly string[];
  /** The names of a CSV file's header; null: the records are JSON. */
  readonly header: readonly string[] | null;
}

/** A record's row, or its refusal. */
export function readRow(reader: RowReader, piece: Piece): Row | Refusal {
  const { path } = reader;
  const index = piece.index;
  const text = piece.fault === undefined ? decode(piece.bytes) : null;
  if (text === null || index === null) {
    const reason = piece.fault ?? 'the text is not UTF-8';
    return refuseUnreadable(path, { index, bytes: piece.bytes, reason });
  }
  const values = reader.header === null ? ofJson(text, reader) : ofCsv(text, reader, reader.header);
  return typeof values === 'string' ? refuseItem(path, { index, text }, values) : { index, text, values };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: Buffer): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

type Values = readonly (string | null)[];

/** The names of a record of JSON; null: it is not an object. */
export function namesOfJson(text: string): string[] | null {
  const members = readObject(text);
  return typeof members === 'string' ? null : members.map(({ name }) => name);
}

function readObject(text: string): JsonMember[] | string {
  if (isDeeper(text, deepest)) return `its JSON is nested deeper than ${deepest}`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return /\b(?:NaN|Infinity)\b/.test(text) && isJson(storableJson(text))
      ? 'it has NaN or Infinity, which are not JSON'
      : `the JSON is not valid: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not a JSON object';
  return membersOf(text);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function ofJson(text: string, reader: RowReader): Values | string {
  if (text.includes('\\u') && storableJson(text) !== text)
    return 'it has a character that Postgres cannot store: U+0000 or half of a surrogate pair';
  const members = readObject(text);
  if (typeof members === 'string') return members;
  const given = new Map(members.map(({ name, json }) => [name, json]));
  const unknown = unknownName([...given.keys()], reader);
  if (unknown !== null) return unknown;
  const tenant = given.get('tenant_id');
  if (tenant !== undefined && tenant !== 'null' && tenant !== JSON.stringify(reader.tenantId))
    return otherTenant(tenant, reader);
  const values: (string | null)[] = [];
  for (const { name, isJson: takesJson, isText } of reader.columns) {
    const json = given.get(name);
    if (json === undefined || json === 'null') values.push(null);
    else if (takesJson || json[0] !== '"') {
      if (isText && (json[0] === '{' || json[0] === '['))
        return `${name} is ${json[0] === '{' ? 'an object' : 'an array'}; expected a text`;
      values.push(json);
    } else values.push(stringOf(json));
  }
  return withoutKey(values, reader) ?? values;
}

function ofCsv(text: string, reader: RowReader, header: readonly string[]): Values | string {
  if (text.includes('\0')) return 'it has a character that Postgres cannot store: U+0000';
  const [record] = csvRecords(text);
  if (record?.fault !== undefined) return record.fault;
  const fields = record?.fields ?? [];
  if (fields.length !== header.length) return `it has ${fields.length} fields; expected ${header.length}`;
  // As `copy ... with (format csv)` has it: nothing is a null, and "" an empty text.
  const given = new Map(
    header.map((name, i) => [
      name,
      fields[i] === '' && record?.quoted[i] !== true ? null : (fields[i] ?? null),
    ]),
  );
  const tenant = given.get('tenant_id') ?? reader.tenantId;
  if (tenant !== reader.tenantId) return otherTenant(JSON.stringify(tenant), reader);
  const values = reader.columns.map(({ name }) => given.get(name) ?? null);
  return withoutKey(values, reader) ?? values;
}

/** The reason against names that the table does not have, or that come in later records only. */
export function unknownName(
  names: readonly string[],
  { columns, leftOut }: Pick<RowReader, 'columns' | 'leftOut'>,
): string | null {
  const unknown = names.filter(
    (name) => name !== 'tenant_id' && !leftOut.has(name) && !columns.some((column) => column.name === name),
  );
  if (unknown.length === 0) return null;
  const known = columns.map(({ name }) => name).join(', ');
  return `it has ${unknown.length === 1 ? 'the column' : 'the columns'} ${unknown.join(', ')}, which the table does not have; known are ${known}`;
}

function otherTenant(tenant: string, { tenantId }: RowReader): string {
  return `it belongs to the tenant ${tenant}, and ${JSON.stringify(tenantId)} is imported`;
}

function withoutKey(values: Values, { columns, key }: RowReader): string | null {
  const missing = columns.find(({ name }, i) => key.includes(name) && values[i] === null);
  return missing ? `${missing.name} is missing, by which a row is known again` : null;
}
