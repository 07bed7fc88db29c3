import { storableText } from '../storable-text.ts';
import { exactNumber, isJsonObject, readJson } from './json-items.ts';
import type { JsonValue } from './json-items.ts';
import { legacyInstant } from './local-time.ts';
import type { SqliteRow } from './sqlite.ts';

/** A row of SQLite cannot be stored, for the reason that the message says. */
export class RowRefused extends Error {
  override name = 'RowRefused';
}

/**
 * The cells of a row of SQLite, whose columns take values of any type. Each method throws RowRefused for a value that is not what it reads, and
 * notes that the column was read.
 */
export class Cells {
  readonly #row: SqliteRow;
  readonly #read = new Set<string>();

  constructor(row: SqliteRow) {
    this.#row = row;
  }

  text(column: string): string | null {
    const value = this.#cell(column);
    if (value === null) return null;
    if (typeof value !== 'string') throw new RowRefused(`${column} is ${kind(value)}, not a text`);
    return storableText(value);
  }

  /** A text that has to be there. */
  needed(column: string): string {
    const text = this.text(column);
    if (text === null || text === '')
      throw new RowRefused(`${column} is ${text === null ? 'missing' : 'empty'}`);
    return text;
  }

  /** A text that holds JSON. */
  json(column: string): JsonValue {
    const text = this.text(column);
    if (text === null) return null;
    const { items, unreadable } = readJson(Buffer.from(text, 'utf8'));
    const [item] = items;
    if (!item) throw new RowRefused(`${column}: ${unreadable[0]?.reason ?? 'the JSON is not valid'}`);
    return item.value;
  }

  /** JSON that is an object; null for a missing one. */
  object(column: string): { readonly [key: string]: JsonValue } | null {
    const value = this.json(column);
    if (value !== null && !isJsonObject(value)) throw new RowRefused(`${column} is not a JSON object`);
    return value;
  }

  /** A moment. The application wrote UTC without saying so. */
  time(column: string): string | null {
    const text = this.text(column);
    if (text === null) return null;
    const instant = legacyInstant(text, 'Z');
    if (!instant)
      throw new RowRefused(`${column} is ${JSON.stringify(text.slice(0, 60))}; expected a date and time`);
    return instant.text;
  }

  /** A number, digit by digit. */
  number(column: string): JsonValue {
    const value = this.#cell(column);
    if (value === null) return null;
    if (typeof value === 'bigint') return exactNumber(String(value));
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new RowRefused(`${column} is ${kind(value)}, not a finite number`);
    return value;
  }

  boolean(column: string): boolean | null {
    const value = this.#cell(column);
    if (value === null) return null;
    if (value === 0n || value === 1n) return value === 1n;
    throw new RowRefused(`${column} is ${kind(value)}, not 0 or 1`);
  }

  /** The cells that nothing has read and that are not empty. */
  others(): { readonly [key: string]: JsonValue } {
    const unread = Object.keys(this.#row).filter(
      (column) => !this.#read.has(column) && this.#row[column] !== null,
    );
    return Object.fromEntries(
      unread.map((column) => [storableText(column), jsonOf(this.#row[column] ?? null)]),
    );
  }

  /** Notes that a column was read, which the database sets itself. */
  skip(column: string): void {
    this.#read.add(column);
  }

  #cell(column: string): SqliteRow[string] {
    this.#read.add(column);
    return this.#row[column] ?? null;
  }
}

/** A row as JSON, for the quarantine. */
export function rowText(row: SqliteRow): string {
  return JSON.stringify(rowJson(row));
}

/** A row as a value of JSON. */
export function rowJson(row: SqliteRow): { readonly [key: string]: JsonValue } {
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, jsonOf(value)]));
}

/** Bytes become base64, and numbers that JSON does not have become texts. */
function jsonOf(value: SqliteRow[string]): JsonValue {
  if (typeof value === 'bigint') return exactNumber(String(value));
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  return typeof value === 'string' ? storableText(value) : null;
}

function kind(value: SqliteRow[string]): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return typeof value === 'string' ? `the text ${JSON.stringify(value.slice(0, 40))}` : `the number ${value}`;
}
