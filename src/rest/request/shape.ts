import { decodeQueryText } from './percent-encoding.ts';
import { plainFilter } from './plain-filter.ts';
import { splitQuery } from './query-pairs.ts';
import type { RawRequest } from './raw-request.ts';

/** The common part of requests that one plan serves, and the values in which they may differ. */
export interface RequestShape {
  /** Everything that the plan depends on. */
  readonly key: string;
  /** Values of the plain filters, in the order of the query string; the placeholders stand for them. */
  readonly values: readonly string[];
}

/**
 * The shape of a read of a relation; null for any other request. Requests of one shape have equal plans when
 * `parseRequest` turns plain filters' values into placeholders. Two requests with the same meaning may still have
 * different shapes.
 */
export function requestShape({ method, path, query, headers }: RawRequest): RequestShape | null {
  if (method !== 'GET' || path.length < 2 || path.indexOf('/', 1) !== -1) return null;
  const values: string[] = [];
  // The line feed separates the parts safely: HTTP ends its lines there, so no part can hold one.
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
