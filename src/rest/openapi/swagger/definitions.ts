import type { ForeignKeyRelationship } from '../../../schema-cache/relationship.ts';
import type { Column, Table } from '../../../schema-cache/table.ts';
import { keyNotes } from '../key-notes.ts';
import { swaggerDefault, swaggerType } from './swagger-type.ts';

type Json = Readonly<Record<string, unknown>>;

/** The definition of a relation's rows. Columns that cannot be null are required, even if they have a default. */
export function definition(table: Table, relationships: readonly ForeignKeyRelationship[]): Json {
  const columns = [...table.columns.values()];
  const required = columns.filter(({ nullable }) => !nullable).map(({ name }) => name);
  return {
    type: 'object',
    ...(table.comment !== null && { description: table.comment }),
    ...(columns.length > 0 && {
      properties: Object.fromEntries(
        columns.map((column) => [column.name, property(table, column, relationships)]),
      ),
    }),
    ...(required.length > 0 && { required }),
  };
}

function property(table: Table, column: Column, relationships: readonly ForeignKeyRelationship[]): Json {
  const notes = keyNotes(table, column, relationships);
  const description = notes === null ? column.comment : [column.comment, notes].filter(isText).join('\n\n');
  return {
    ...swaggerType(column.type),
    ...swaggerDefault(column.type, column.defaultExpression),
    ...(description !== null && { description }),
    ...(column.enumLabels.length > 0 && { enum: column.enumLabels }),
    ...(column.maxLength !== null && { maxLength: column.maxLength }),
  };
}

function isText(value: string | null): value is string {
  return value !== null;
}
