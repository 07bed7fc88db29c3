import type { Cardinality, ColumnPair, Relationship } from '../relationship.ts';

/**
 * The order in which PostgREST lists relationships; clients see it as the candidates of an ambiguous embed
 * (PGRST201). By foreign key come before computed, then tables, cardinality, constraint and columns decide.
 */
export function compareRelationships(a: Relationship, b: Relationship): number {
  return compareLists(sortKey(a), sortKey(b));
}

type SortKey = readonly (string | number)[];

const cardinalityOrder: Readonly<Record<Cardinality['kind'], number>> = {
  'one-to-many': 0,
  'many-to-one': 1,
  'one-to-one': 2,
  'many-to-many': 3,
};

function sortKey(relationship: Relationship): SortKey {
  const { table, foreignTable } = relationship;
  const tables = [table.schema, table.name, foreignTable.schema, foreignTable.name];
  if (relationship.kind === 'computed') {
    return [1, relationship.function.schema, relationship.function.name, ...tables];
  }
  const { isSelf, cardinality, tableIsView, foreignTableIsView } = relationship;
  return [
    0,
    ...tables,
    Number(isSelf),
    cardinalityOrder[cardinality.kind],
    ...cardinalityKey(cardinality),
    Number(tableIsView),
    Number(foreignTableIsView),
  ];
}

function cardinalityKey(cardinality: Cardinality): SortKey {
  if (cardinality.kind !== 'many-to-many') {
    const key = [cardinality.constraint, ...columnsKey(cardinality.columns)];
    return cardinality.kind === 'one-to-one' ? [...key, Number(cardinality.isParent)] : key;
  }
  const { table, sourceConstraint, targetConstraint, sourceColumns, targetColumns } = cardinality.junction;
  return [
    table.schema,
    table.name,
    sourceConstraint,
    targetConstraint,
    ...columnsKey(sourceColumns),
    ...columnsKey(targetColumns),
  ];
}

/** Makes a list sort before any longer list that begins with it. */
function columnsKey(columns: readonly ColumnPair[]): SortKey {
  return [...columns.flat().flatMap((name) => [1, name]), 0];
}

function compareLists(a: SortKey, b: SortKey): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i]! < b[i]!) return -1;
    if (a[i]! > b[i]!) return 1;
  }
  return a.length - b.length;
}
