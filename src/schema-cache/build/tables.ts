import type { ColumnRow } from '../catalog/columns.ts';
import type { RelationRow } from '../catalog/relations.ts';
import { nameKey } from '../identifier.ts';
import type { Column, Table } from '../table.ts';

/** The tables of the exposed schemas by `nameKey`. `primaryKeys` is by relation. */
export function buildTables(
  relations: readonly RelationRow[],
  columns: readonly ColumnRow[],
  primaryKeys: ReadonlyMap<number, readonly string[]>,
  schemas: readonly string[],
): Map<string, Table> {
  const columnsOf = new Map<number, Map<string, Column>>();
  for (const row of columns) {
    let ofRelation = columnsOf.get(row.relation);
    if (!ofRelation) columnsOf.set(row.relation, (ofRelation = new Map()));
    ofRelation.set(row.name, toColumn(row));
  }
  const exposed = new Set(schemas);
  const tables = new Map<string, Table>();
  for (const row of relations) {
    if (row.is_partition || !exposed.has(row.schema)) continue;
    tables.set(nameKey(row.schema, row.name), {
      schema: row.schema,
      name: row.name,
      comment: row.comment,
      isView: row.is_view,
      insertable: row.insertable === true,
      updatable: row.updatable === true,
      deletable: row.deletable === true,
      primaryKey: primaryKeys.get(row.oid) ?? [],
      uniqueKeys: row.unique_keys ?? [],
      columns: columnsOf.get(row.oid) ?? new Map(),
    });
  }
  return tables;
}

function toColumn(row: ColumnRow): Column {
  return {
    name: row.name,
    comment: row.comment,
    nullable: row.nullable,
    generated: row.generated,
    type: row.type,
    nominalType: row.nominal_type,
    maxLength: row.max_length,
    defaultExpression: row.default_expression,
    enumLabels: row.enum_labels ?? [],
  };
}
