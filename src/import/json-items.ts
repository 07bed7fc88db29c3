import { storableJson, withoutByteOrderMark } from '../storable-text.ts';
import { ArrayCutter } from './array-cutter.ts';
import type { Piece } from './array-cutter.ts';
import { deepestParsed, isDeeper } from './json-members.ts';

/** A JSON value whose numbers are kept to the last digit. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | ExactNumber
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** A number kept as it was written, when JavaScript would write it differently: `1.0`, `12345678901234567890`. */
export interface ExactNumber {
  readonly rawJSON: string;
}

/**
 * One item of a file. `text` is its JSON as in the file; in `value`, U+FFFD has taken the place of what Postgres cannot store
 * (src/storable-text.ts). `index` is its place in the array; null if the file is
 * a single item.
 */
export interface JsonItem {
  readonly index: number | null;
  readonly text: string;
  readonly value: JsonValue;
}

/** A part of a file that is not JSON in UTF-8, with the reason; `index` as in JsonItem. */
export interface Unreadable {
  readonly index: number | null;
  readonly bytes: Buffer;
  readonly reason: string;
}

/** The contents of a file, in order. */
export interface JsonFile {
  readonly items: readonly JsonItem[];
  readonly unreadable: readonly Unreadable[];
}

/** Reads a file that holds one JSON value. */
export function readJson(bytes: Buffer): JsonFile {
  return gather([{ index: null, bytes: withoutByteOrderMark(bytes) }]);
}

/**
 * Reads a file that holds a JSON array, item by item. An item that is not JSON or not UTF-8 does not affect the others. A file that breaks off yields its complete items, and the rest as one
 * unreadable part.
 */
export function readJsonArray(bytes: Buffer): JsonFile {
  const body = withoutByteOrderMark(bytes);
  const cutter = new ArrayCutter();
  const pieces = [...cutter.cut(body), ...cutter.end()];
  if (cutter.isArray) return gather(pieces);
  const { unreadable } = gather([{ index: null, bytes: body }]);
  return {
    items: [],
    unreadable:
      unreadable.length > 0
        ? unreadable
        : [{ index: null, bytes: body, reason: 'the file is not a JSON array of items' }],
  };
}

/** Whether a value is a number, as a JavaScript number or as an ExactNumber. */
export function isJsonNumber(value: JsonValue | undefined): value is number | ExactNumber {
  return typeof value === 'number' || isExactNumber(value);
}

/** Whether a value is a whole number that an integer column takes as a count. */
export function isCount(value: JsonValue | undefined): value is number | ExactNumber {
  if (!isJsonNumber(value)) return false;
  const number = Number(numberText(value));
  return Number.isInteger(number) && number >= 0 && number <= 2_147_483_647;
}

/** Whether a value is a number that is kept as text. */
export function isExactNumber(value: JsonValue | undefined): value is ExactNumber {
  return typeof value === 'object' && value !== null && exactJson.isRawJSON(value);
}

/** Whether a value is a JSON object. */
export function isJsonObject(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isExactNumber(value);
}

/** A number as it was written. */
export function numberText(value: number | ExactNumber): string {
  return typeof value === 'number' ? String(value) : value.rawJSON;
}

/** A number as it is written: as an ExactNumber when JavaScript would write it differently. */
export function exactNumber(text: string): number | ExactNumber {
  return String(Number(text)) === text ? Number(text) : exactJson.rawJSON(text);
}

/** JSON functions that Node has and TypeScript's types do not declare yet. */
interface ExactJson {
  rawJSON(text: string): ExactNumber;
  isRawJSON(value: unknown): value is ExactNumber;
  parse(
    text: string,
    reviver: (key: string, value: JsonValue, context: { source?: string }) => JsonValue,
  ): JsonValue;
}
const exactJson = JSON as unknown as ExactJson;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function gather(pieces: readonly Piece[]): JsonFile {
  const items: JsonItem[] = [];
  const unreadable: Unreadable[] = [];
  for (const { index, bytes, fault } of pieces) {
    try {
      if (fault !== undefined) throw new Error(fault);
      const text = decode(bytes);
      if (isDeeper(text, deepestParsed)) throw new Error('the JSON is nested too deeply');
      items.push({ index, text, value: parse(storableJson(text)) });
    } catch (error) {
      unreadable.push({ index, bytes, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return { items, unreadable };
}

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Error('the text is not UTF-8');
  }
}

function parse(text: string): JsonValue {
  try {
    return exactJson.parse(text, (_key, value, { source }) =>
      typeof value === 'number' && source !== undefined && String(value) !== source
        ? exactJson.rawJSON(source)
        : value,
    );
  } catch (error) {
    // The depth that the parser can reach is limited by the stack.
    if (error instanceof RangeError) throw new Error('the JSON is nested too deeply', { cause: error });
    throw new Error(`the JSON is not valid: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
