import { encodeQueryText } from './percent-encoding.ts';
import type { QueryPair } from './query-pairs.ts';
import { queryPairs } from './query-pairs.ts';

/** A query string as `Content-Location` shows it: its parameters sorted by name and percent-encoded. */
export function canonicalQuery(query: string): string {
  return query === '' ? '' : canonicalPairs(queryPairs(query));
}

/** The same for parameters that were already parsed. Values of the same name are joined by commas. */
export function canonicalPairs(pairs: readonly QueryPair[]): string {
  const valuesOf = new Map<string, string[]>();
  for (const { name, value } of pairs) {
    const encoded = encodeBytes(value ?? '');
    const values = valuesOf.get(name);
    if (values === undefined) valuesOf.set(name, [encoded]);
    else values.push(encoded);
  }
  return [...valuesOf]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, values]) => `${encodeBytes(name)}=${values.join(',')}`)
    .join('&');
}

/** Encodes each byte of the UTF-8 as a character of its own, as PostgREST's header does with text beyond ASCII. */
function encodeBytes(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return encodeQueryText(text);
  return encodeQueryText(Buffer.from(text, 'utf8').toString('latin1'));
}
