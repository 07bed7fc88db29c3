import { isUtf8 } from 'node:buffer';
import { excessiveKeys, maxObjectKeys } from '../../http/largest-object.ts';
import { longNumbersHint, longNumbersRule, printsTooLong } from '../../http/long-numbers.ts';
import { parseExactNumbers } from '../../exact-json.ts';
import { RestError } from '../errors.ts';
import { csvPayload } from './csv-payload.ts';
import type { MediaType } from './media-type.ts';
import { mediaTypeName } from './media-type.ts';
import type { Action, Payload, Query } from './query.ts';
import { checkFields } from './request-fields.ts';
import { queryPairs } from './query-pairs.ts';

/** A body, and the columns or arguments that it names. */
export interface ParsedPayload {
  readonly payload: Payload | null;
  /** Sorted and without duplicates. */
  readonly columns: readonly string[];
}

/**
 * Reads the body of a request that writes, or that calls a function by POST; other requests have none. Throws
 * PGRST102 for a body that does not match its Content-Type (PostgREST, Tables and Views, Insert; Functions).
 */
export function parsePayload(
  body: Buffer,
  contentType: MediaType,
  action: Action,
  query: Query,
  maxKeys = Infinity,
): ParsedPayload {
  if (!takesBody(action)) return { payload: null, columns: [] };
  const columns = takesColumns(action) ? query.columns : null;
  const isCall = action.kind === 'call';
  const type = contentType.kind === 'plain' ? contentType.name : '';
  if (type === 'application/json') {
    const payload = columns === null ? jsonPayload(body, isCall, maxKeys) : unreadJson(body, maxKeys);
    // Checked before sorting, which takes longer than reading the keys.
    checkFields(payload.keys.length, maxKeys);
    return { payload, columns: sorted(columns ?? payload.keys) };
  }
  if (type === 'text/csv') return withKeys(csvPayload(body));
  if (type === 'application/x-www-form-urlencoded') return withKeys(formPayload(body, isCall));
  if (isCall && (type === 'text/plain' || type === 'text/xml' || type === 'application/octet-stream')) {
    return { payload: { kind: 'raw', bytes: body }, columns: [] };
  }
  throw new RestError('PGRST102', `Content-Type not acceptable: ${mediaTypeName(contentType)}`);
}

type JsonPayload = Extract<Payload, { kind: 'json' }>;

function takesBody(action: Action): boolean {
  if (action.kind === 'call') return action.method === 'post';
  return action.kind === 'mutate' && action.mutation !== 'delete';
}

function takesColumns(action: Action): boolean {
  return action.kind === 'call' || (action.kind === 'mutate' && action.mutation !== 'upsert-one');
}

function withKeys(payload: Exclude<Payload, { kind: 'raw' }>): ParsedPayload {
  return { payload, columns: sorted(payload.keys) };
}

function sorted(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted();
}

/** Takes the body unparsed: with `columns=` only Postgres needs to look into it. */
function unreadJson(body: Buffer, maxKeys: number): JsonPayload {
  if (!isUtf8(body)) throw invalidJson();
  const text = body.toString('utf8');
  if (maxKeys < Infinity) checkNumbers(text);
  return { kind: 'json', text, keys: [] };
}

/** Throws LTR010 for numbers that would use up the database's memory as text. */
function checkNumbers(text: string): void {
  if (printsTooLong(text))
    throw new RestError('LTR010', `invalid ${longMembers(text)}: ${longNumbersRule}`, {
      hint: longNumbersHint,
    });
}

/** The names of the members whose numbers are too long, each by itself. */
function longMembers(text: string): string {
  const json = parseExactNumbers(text);
  const rows: readonly unknown[] = Array.isArray(json) ? json : [json];
  const names = rows.flatMap((row) =>
    isObject(row)
      ? Object.entries(row).flatMap(([name, value]) => (printsTooLong(JSON.stringify(value)) ? [name] : []))
      : [],
  );
  return [...new Set(names)].slice(0, 3).join(' or ') || 'body';
}

/** Keeps the text as it came, so that numbers keep their digits, and reads only the keys. */
function jsonPayload(body: Buffer, isCall: boolean, maxKeys: number): JsonPayload {
  if (body.length === 0 && isCall) return { kind: 'json', text: '', keys: [] };
  if (!isUtf8(body)) throw invalidJson();
  const text = body.toString('utf8');
  // Checked before parsing, which takes a tenth of a second for an object of 100,000 keys.
  if (maxKeys < Infinity) {
    checkFields(excessiveKeys(text) ?? 0, maxObjectKeys);
    checkNumbers(text);
  }
  const json = parseJson(text);
  if (!Array.isArray(json)) {
    // A scalar counts as no rows.
    return isObject(json)
      ? { kind: 'json', text, keys: Object.keys(json) }
      : { kind: 'json', text: '[]', keys: [] };
  }
  if (json.length === 0) return { kind: 'json', text: '[]', keys: [] };
  return { kind: 'json', text, keys: commonKeys(json) };
}

function commonKeys(rows: readonly unknown[]): readonly string[] {
  const [first] = rows;
  if (!isObject(first)) throw differentKeys();
  const keys = Object.keys(first);
  for (const row of rows) {
    if (!isObject(row)) throw differentKeys();
    const others = Object.keys(row);
    if (others.length !== keys.length || !others.every((key) => Object.hasOwn(first, key)))
      throw differentKeys();
  }
  return keys;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidJson();
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalidJson(): RestError {
  return new RestError('PGRST102', 'Empty or invalid json');
}

function differentKeys(): RestError {
  return new RestError('PGRST102', 'All object keys must match');
}

/**
 * For a function, the pairs as they are: a repeated name is variadic. Otherwise an object, in which the last value of
 * a name counts.
 */
function formPayload(body: Buffer, isCall: boolean): Exclude<Payload, { kind: 'raw' }> {
  const text = body.toString('latin1').replace(/^\?/, '');
  const pairs = queryPairs(text).map(({ name, value }) => [name, value ?? ''] as const);
  const byName = new Map(pairs);
  const keys = [...byName.keys()];
  if (isCall) return { kind: 'form', pairs, keys };
  const members = Array.from(byName, ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return { kind: 'json', text: `{${members.join(',')}}`, keys };
}
