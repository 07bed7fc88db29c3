import { nameKey } from '../schema-cache/identifier.ts';
import type { SchemaCache } from '../schema-cache/schema-cache.ts';
import { decodePathSegment } from './request/percent-encoding.ts';

/**
 * The relation or function that a path below REST's root names, in the catalog's own words: `tasks`, `rpc/claim_task`, and an empty text for the
 * root. Null: the catalog has nothing of that name in these schemas. So the number of values is that of relations and
 * functions, whatever clients ask for.
 *
 * @param path starts with a slash, or is empty; without a query
 */
export function routeOf(path: string, cache: SchemaCache, schemas: readonly string[]): string | null {
  if (path === '' || path === '/') return '';
  const [, first = '', second, third] = path.split('/').map(decodePathSegment);
  if (third !== undefined) return null;
  const isThere = (name: string, entries: SchemaCache['tables'] | SchemaCache['routines']): boolean =>
    schemas.some((schema) => entries.has(nameKey(schema, name)));
  if (second === undefined) return isThere(first, cache.tables) ? first : null;
  return first === 'rpc' && isThere(second, cache.routines) ? `rpc/${second}` : null;
}
