import type { ComputedRelationshipRow } from '../catalog/computed-relationships.ts';
import { nameKey } from '../identifier.ts';
import type { QualifiedName } from '../identifier.ts';
import type { ColumnPair, ForeignKeyRelationship, Relationship } from '../relationship.ts';
import { relationshipKey } from '../schema-cache.ts';
import { compareRelationships } from './relationship-order.ts';

/**
 * All relationships between exposed tables, by `relationshipKey`: `foreignKeys` in both directions, those over
 * junctions, and computed ones. A computed relationship replaces all that lead to a table with its function's name.
 * Ordered as PostgREST lists the candidates of an ambiguous embed. Two tables joined only by a hidden junction have
 * an empty list, which says that neither name is misspelt.
 *
 * @param primaryKeys by `nameKey`, including those of hidden tables
 */
export function buildRelationships(
  foreignKeys: readonly ForeignKeyRelationship[],
  computed: readonly ComputedRelationshipRow[],
  primaryKeys: ReadonlyMap<string, readonly string[]>,
  schemas: readonly string[],
): Map<string, readonly Relationship[]> {
  const exposed = new Set(schemas);
  const visible = foreignKeys.filter(
    ({ table, foreignTable }) => exposed.has(table.schema) && exposed.has(foreignTable.schema),
  );
  const hidden = foreignKeys.filter(
    ({ table, foreignTable }) => !exposed.has(table.schema) && exposed.has(foreignTable.schema),
  );
  const overridden = new Map(
    computed
      .filter((row) => exposed.has(row.schema))
      .map((row) => [pairKey(fromTable(row), functionOf(row)), row]),
  );
  const relationships: Relationship[] = [
    ...visible,
    ...visible.map(inverse),
    ...overJunctions(visible, primaryKeys),
  ].filter(({ table, foreignTable }) => !overridden.has(pairKey(table, foreignTable)));
  for (const row of overridden.values()) relationships.push(toComputed(row));

  const byKey = new Map<string, Relationship[]>();
  for (const relationship of relationships) {
    // Requests look for a computed relationship in its function's schema, whichever schema its rows come from.
    const { schema } = relationship.kind === 'computed' ? relationship.function : relationship.foreignTable;
    const key = relationshipKey(relationship.table, schema);
    const list = byKey.get(key);
    if (list) list.push(relationship);
    else byKey.set(key, [relationship]);
  }
  for (const list of byKey.values()) list.sort(compareRelationships);
  for (const { table, foreignTable } of overJunctions(hidden, primaryKeys)) {
    const key = relationshipKey(table, foreignTable.schema);
    if (!byKey.has(key)) byKey.set(key, []);
  }
  return byKey;
}

function inverse(relationship: ForeignKeyRelationship): ForeignKeyRelationship {
  const { table, foreignTable, tableIsView, foreignTableIsView, cardinality } = relationship;
  const turned = {
    ...relationship,
    table: foreignTable,
    foreignTable: table,
    tableIsView: foreignTableIsView,
    foreignTableIsView: tableIsView,
  };
  switch (cardinality.kind) {
    case 'many-to-one':
      return {
        ...turned,
        cardinality: { ...cardinality, kind: 'one-to-many', columns: swapped(cardinality.columns) },
      };
    case 'one-to-one':
      return {
        ...turned,
        cardinality: {
          ...cardinality,
          columns: swapped(cardinality.columns),
          isParent: !cardinality.isParent,
        },
      };
    default:
      throw new Error(`a foreign key cannot be ${cardinality.kind}`);
  }
}

/**
 * Pairs two foreign keys of one table or view if all their columns belong to its primary key (PostgREST,
 * Many-to-many).
 */
function overJunctions(
  foreignKeys: readonly ForeignKeyRelationship[],
  primaryKeys: ReadonlyMap<string, readonly string[]>,
): ForeignKeyRelationship[] {
  const arms = new Map<string, Arm[]>();
  for (const relationship of foreignKeys) {
    const { table, cardinality } = relationship;
    if (cardinality.kind !== 'many-to-one') continue;
    const key = nameKey(table.schema, table.name);
    const primaryKey = primaryKeys.get(key) ?? [];
    if (!cardinality.columns.every(([column]) => primaryKey.includes(column))) continue;
    const arm = { relationship, constraint: cardinality.constraint, columns: swapped(cardinality.columns) };
    const list = arms.get(key);
    if (list) list.push(arm);
    else arms.set(key, [arm]);
  }
  return [...arms.values()].flatMap((list) =>
    list.flatMap((source) =>
      list
        .filter((target) => target.constraint !== source.constraint)
        .map((target) => overJunction(source, target)),
    ),
  );
}

interface Arm {
  readonly relationship: ForeignKeyRelationship;
  readonly constraint: string;
  /** Pairs of a column of the table that the junction leads to, and a column of the junction. */
  readonly columns: readonly ColumnPair[];
}

function overJunction(source: Arm, target: Arm): ForeignKeyRelationship {
  const { foreignTable: table, foreignTableIsView: tableIsView } = source.relationship;
  const { foreignTable, foreignTableIsView } = target.relationship;
  return {
    kind: 'foreign-key',
    table,
    foreignTable,
    isSelf: table.schema === foreignTable.schema && table.name === foreignTable.name,
    tableIsView,
    foreignTableIsView,
    cardinality: {
      kind: 'many-to-many',
      junction: {
        table: source.relationship.table,
        sourceConstraint: source.constraint,
        targetConstraint: target.constraint,
        sourceColumns: source.columns,
        targetColumns: target.columns,
      },
    },
  };
}

function toComputed(row: ComputedRelationshipRow): Relationship {
  const table = fromTable(row);
  const foreignTable = { schema: row.foreign_schema, name: row.foreign_name };
  return {
    kind: 'computed',
    function: functionOf(row),
    table,
    foreignTable,
    isSelf: pairKey(table, table) === pairKey(table, foreignTable),
    toOne: row.to_one,
  };
}

function fromTable(row: ComputedRelationshipRow): QualifiedName {
  return { schema: row.table_schema, name: row.table_name };
}

function functionOf(row: ComputedRelationshipRow): QualifiedName {
  return { schema: row.schema, name: row.name };
}

function pairKey(table: QualifiedName, other: QualifiedName): string {
  return JSON.stringify([table.schema, table.name, other.schema, other.name]);
}

function swapped(columns: readonly ColumnPair[]): ColumnPair[] {
  return columns.map(([column, foreignColumn]) => [foreignColumn, column]);
}
