import { decodeQueryText } from './percent-encoding.ts';
import { plainFilter } from './plain-filter.ts';
import { splitQuery } from './query-pairs.ts';
import type { RawRequest } from './raw-request.ts';

/** What two requests have in common that one plan serves, and what they may differ in. */
export interface RequestShape {
  /** Everything that the plan depends on. */
  readonly key: string;
  /** Of the plain filters in the order of the query string: what their placeholders stand for. */
  readonly values: readonly string[];
}

/**
 * The shape of a read of a relation; null for any other request. Requests of one shape have equal plans when
 * `parseRequest` makes placeholders of plain filters' values. Two of one meaning may have different shapes.
 */
export function requestShape({ method, path, query, headers }: RawRequest): RequestShape | null {
  if (method !== 'GET' || path.length < 2 || path.indexOf('/', 1) !== -1) return null;
  const values: string[] = [];
  // Nothing of it can hold a line feed: HTTP ends its lines there.
  let key = `${path}\n${header(headers['accept'])}${header(headers['prefer'])}${header(headers['range'])}${header(headers['accept-profile'])}`;
  for (const raw of splitQuery(query)) {
    const plain = plainFilter(raw);
    if (plain === null) {
      key += `&${raw}`;
      continue;
    }
    const value = decodeQueryText(raw.slice(plain.valueAt));
    if (value === null) return null;
    values.push(value);
    key += `&${raw.slice(0, plain.valueAt)}\n`;
  }
  return { key, values };
}

function header(value: string | undefined): string {
  return value === undefined ? '\n' : `=${value}\n`;
}
