import type { KeyRow } from '../catalog/keys.ts';
import type { RelationRow } from '../catalog/relations.ts';
import type { Lineage, ShownColumns } from './lineage.ts';

/** The name of a view's column; undefined if the view has no column at that position. */
export type ColumnName = (relation: number, position: number) => string | undefined;

/**
 * Primary keys by relation. A table has its own, in the key's order. A view has that of each base table whose whole
 * key it shows (with the first column, where it shows one several times), in the order of `relations`.
 */
export function buildPrimaryKeys(
  relations: readonly RelationRow[],
  keys: readonly KeyRow[],
  lineage: Lineage,
  columnName: ColumnName,
): Map<number, readonly string[]> {
  const ofTables = new Map(keys.filter((key) => key.kind === 'p').map((key) => [key.relation, key]));
  const primaryKeys = new Map<number, readonly string[]>();
  for (const { oid } of relations) {
    const key = ofTables.get(oid);
    if (!key) continue;
    primaryKeys.set(oid, key.columns);
    for (const [view, shown] of lineage.get(oid) ?? []) {
      const [first] = shownKeys(key.positions, shown, (position) => columnName(view, position));
      if (first) primaryKeys.set(view, [...(primaryKeys.get(view) ?? []), ...first]);
    }
  }
  return primaryKeys;
}

/**
 * Every way in which a view shows the columns of a key, as names of the view's columns in the key's order: a column
 * shown twice makes two ways. Empty if the view lacks a column of the key.
 */
export function shownKeys(
  positions: readonly number[],
  shown: ShownColumns,
  columnName: (position: number) => string | undefined,
): readonly (readonly string[])[] {
  let ways: string[][] = [[]];
  for (const position of positions) {
    const names = (shown.get(position) ?? []).map(columnName).filter((name) => name !== undefined);
    ways = ways.flatMap((way) => names.map((name) => [...way, name]));
  }
  return ways;
}
