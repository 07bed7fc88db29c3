import { RestError } from '../errors.ts';
import { decodeQueryText } from './percent-encoding.ts';

/** One parameter of a query string or form. */
export interface QueryPair {
  readonly name: string;
  /** Null: the parameter has no `=`. */
  readonly value: string | null;
  /** The original text. */
  readonly raw: string;
}

/** The parameters, in order; `&` and `;` separate them. Throws PGRST100 for bytes that are not UTF-8. */
export function queryPairs(query: string): readonly QueryPair[] {
  return splitQuery(query).map((raw) => {
    const equals = raw.indexOf('=');
    if (equals === -1) return { name: decoded(raw, raw), value: null, raw };
    return { name: decoded(raw.slice(0, equals), raw), value: decoded(raw.slice(equals + 1), raw), raw };
  });
}

/** The parameters in their original text. An empty text after the last separator does not count. */
export function splitQuery(query: string): readonly string[] {
  if (query === '') return [];
  const parts = query.includes(';') ? query.split(/[&;]/) : query.split('&');
  if (parts.at(-1) === '') parts.pop();
  return parts;
}

function decoded(encoded: string, raw: string): string {
  const text = decodeQueryText(encoded);
  if (text !== null) return text;
  throw new RestError('PGRST100', `"failed to decode query parameter (${raw})" (line 1, column 1)`, {
    details: 'unexpected bytes that are not UTF-8 in a percent-encoded text',
    hint: 'Encode the text as UTF-8 before percent-encoding it.',
  });
}
