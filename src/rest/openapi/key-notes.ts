import type { ForeignKeyRelationship } from '../../schema-cache/relationship.ts';
import type { Column, Table } from '../../schema-cache/table.ts';

/**
 * PostgREST's notes on a column that is part of a key, tags included, because front ends read them. Null: the column is
 * part of no key.
 */
export function keyNotes(
  table: Table,
  column: Column,
  relationships: readonly ForeignKeyRelationship[],
): string | null {
  const notes = [
    ...(table.primaryKey.includes(column.name) ? ['This is a Primary Key.<pk/>'] : []),
    ...foreignKeyNote(column, relationships),
  ];
  return notes.length === 0 ? null : ['Note:', ...notes].join('\n');
}

/** Only foreign keys of a single column are noted. */
function foreignKeyNote(column: Column, relationships: readonly ForeignKeyRelationship[]): readonly string[] {
  // Tables come before views: the note names the place of the rows.
  const ordered = relationships.toSorted(
    (one, other) => Number(one.foreignTableIsView) - Number(other.foreignTableIsView),
  );
  for (const { cardinality, foreignTable } of ordered) {
    if (cardinality.kind === 'many-to-many' || cardinality.kind === 'one-to-many') continue;
    if (cardinality.kind === 'one-to-one' && cardinality.isParent) continue;
    const [pair, ...others] = cardinality.columns;
    if (pair === undefined || others.length > 0 || pair[0] !== column.name) continue;
    return [
      `This is a Foreign Key to \`${foreignTable.name}.${pair[1]}\`.<fk table='${foreignTable.name}' column='${pair[1]}'/>`,
    ];
  }
  return [];
}
