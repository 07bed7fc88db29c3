import type { Routine } from '../../schema-cache/routine.ts';
import type { Table } from '../../schema-cache/table.ts';

/** `Allow` of the root. */
export const rootMethods = 'OPTIONS,GET,HEAD';

/** `Allow` of a relation: what it supports, whatever the caller's privileges (PostgREST, OPTIONS method). */
export function relationMethods({ insertable, updatable, deletable, primaryKey }: Table): string {
  return [
    'OPTIONS,GET,HEAD',
    ...(insertable ? ['POST'] : []),
    ...(insertable && updatable && primaryKey.length > 0 ? ['PUT'] : []),
    ...(updatable ? ['PATCH'] : []),
    ...(deletable ? ['DELETE'] : []),
  ].join(',');
}

/** `Allow` of a function: GET only if it writes nothing. */
export function routineMethods({ volatility }: Routine): string {
  return volatility === 'volatile' ? 'OPTIONS,POST' : 'OPTIONS,GET,HEAD,POST';
}
