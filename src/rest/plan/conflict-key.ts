import type { Table } from '../../schema-cache/table.ts';
import { RestError } from '../errors.ts';

/**
 * The columns of the unique key that `on_conflict=` means. Where row-level security confines every row that a requester
 * reaches to one value of `tenantColumn`, `id` is as unique as that column and `id` together, so both name the same key.
 * Throws 42P10, as Postgres would, with the keys that there are as its hint.
 *
 * @param tenantColumn null: `on_conflict=` goes to Postgres as it is
 */
export function conflictKey(
  table: Table,
  named: readonly string[],
  tenantColumn: string | null,
): readonly string[] {
  if (tenantColumn === null || table.isView) return named;
  // Postgres says which column does not exist.
  if (named.some((column) => !table.columns.has(column))) return named;
  const { uniqueKeys } = table;
  const keyOf = (columns: readonly string[]) => uniqueKeys.find((key) => sameColumns(key, columns));
  const key = keyOf(named) ?? keyOf([...named, tenantColumn]);
  if (key !== undefined) return key;
  const shown = uniqueKeys.map((each) => withinTenant(each, tenantColumn).join());
  throw new RestError(
    '42P10',
    'there is no unique or exclusion constraint matching the ON CONFLICT specification',
    {
      hint:
        shown.length === 0
          ? `${table.name} has no unique key, so no row conflicts with another: leave out on_conflict.`
          : `Use ${shown.map((columns) => `on_conflict=${columns}`).join(' or ')}.`,
    },
  );
}

/** A key without the column that is the same in all rows that a requester reaches. */
export function withinTenant(key: readonly string[], tenantColumn: string | null): readonly string[] {
  const others = key.filter((column) => column !== tenantColumn);
  return others.length === 0 ? key : others;
}

function sameColumns(some: readonly string[], others: readonly string[]): boolean {
  return some.every((column) => others.includes(column)) && others.every((column) => some.includes(column));
}
