import { storableJson, withoutByteOrderMark } from '../storable-text.ts';

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
  const pieces = splitArray(body);
  if (pieces) return gather(pieces);
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

/** A part of a file before it is parsed. `fault` describes what is already known to be wrong with it. */
interface Piece {
  readonly index: number | null;
  readonly bytes: Buffer;
  readonly fault?: string;
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

const code = {
  quote: 0x22,
  comma: 0x2c,
  backslash: 0x5c,
  openBracket: 0x5b,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

/**
 * Cuts an array at the commas between its items. Undefined when the bytes are not an array. Non-ASCII bytes of
 * UTF-8 never look like ASCII.
 */
function splitArray(bytes: Buffer): Piece[] | undefined {
  const pieces: Piece[] = [];
  let start = skipSpace(bytes, 0);
  if (bytes[start] !== code.openBracket) return undefined;
  start += 1;
  let depth = 0;
  let inString = false;
  const cut = (end: number, fault?: string): void => {
    const piece = trimmed(bytes, start, end);
    // The array may be empty, and a last comma has no item behind it.
    if (piece.length === 0 && (fault !== undefined || bytes[end] === code.closeBracket)) return;
    pieces.push({ index: pieces.length, bytes: piece, ...(fault === undefined ? {} : { fault }) });
  };
  for (let i = start; i < bytes.length; i += 1) {
    const byte = bytes[i];
    if (inString) {
      if (byte === code.backslash) i += 1;
      else if (byte === code.quote) inString = false;
    } else if (byte === code.quote) {
      inString = true;
    } else if (byte === code.openBracket || byte === code.openBrace) {
      depth += 1;
    } else if (depth > 0 && (byte === code.closeBracket || byte === code.closeBrace)) {
      depth -= 1;
    } else if (depth === 0 && byte === code.comma) {
      cut(i);
      start = i + 1;
    } else if (depth === 0 && byte === code.closeBracket) {
      cut(i);
      start = i + 1;
      cut(bytes.length, 'the file goes on after the end of its array');
      return pieces;
    }
  }
  const open = pieces.length;
  cut(bytes.length, 'the file breaks off before its array ends');
  // The file breaks off right after a comma: no item is lost, but the file is not complete.
  if (pieces.length === open) {
    pieces.push({ index: null, bytes: Buffer.alloc(0), fault: 'the file breaks off before its array ends' });
  }
  return pieces;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && isSpace(bytes[at])) at += 1;
  return at;
}

function trimmed(bytes: Buffer, from: number, to: number): Buffer {
  const start = skipSpace(bytes, from);
  let end = to;
  while (end > start && isSpace(bytes[end - 1])) end -= 1;
  return bytes.subarray(Math.min(start, end), end);
}
