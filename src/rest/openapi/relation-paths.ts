import type { ForeignKeyRelationship } from '../../schema-cache/relationship.ts';
import type { Column, Table } from '../../schema-cache/table.ts';
import type { RelationAccess } from './accessible.ts';
import { documentation, withoutTags } from './comment.ts';
import { componentName, operationId, reference } from './component-name.ts';
import { keyNotes } from './key-notes.ts';
import { isRequiredAtInsert, schemaOfColumn } from './json-schema.ts';
import type { JsonSchema } from './json-schema.ts';
import { refusedWith, sharedParameterNames } from './shared-components.ts';

/** A relation's part of the document, limited to what the role may do. */
export interface RelationPaths {
  readonly path: string;
  readonly pathItem: Readonly<Record<string, unknown>>;
  readonly schemas: Readonly<Record<string, JsonSchema>>;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** The path, schemas and filters of a relation, for a requester with this access. */
export function relationPaths(
  table: Table,
  access: RelationAccess,
  relationships: readonly ForeignKeyRelationship[],
): RelationPaths {
  const rowName = componentName(table.name);
  const columns = [...table.columns.values()];
  const readable = columns.filter(({ name }) => access.select.has(name));
  const insertable = table.insertable ? writable(columns, access.insert) : [];
  const updatable = table.updatable ? writable(columns, access.update) : [];
  const deletable = table.deletable && access.delete;
  const filters = readable.filter(({ name }) => !sharedParameterNames.has(name));

  return {
    path: `/${encodeURIComponent(table.name)}`,
    pathItem: operations({
      table,
      filters,
      canRead: readable.length > 0,
      canInsert: insertable.length > 0,
      canUpdate: updatable.length > 0,
      canDelete: deletable,
    }),
    schemas: {
      [rowName]: rowSchema(table, readable, relationships),
      ...(insertable.length > 0 && {
        [componentName(table.name, 'insert')]: writeSchema(
          table,
          insertable,
          insertable.filter(isRequiredAtInsert),
          relationships,
        ),
      }),
      ...(updatable.length > 0 && {
        [componentName(table.name, 'update')]: writeSchema(table, updatable, [], relationships),
      }),
    },
    parameters: Object.fromEntries(
      filters.map((column) => [
        componentName('rowFilter', table.name, column.name),
        {
          name: column.name,
          in: 'query',
          description:
            columnDescription(table, column, relationships) ??
            `Filter by ${column.name}: an operator and a value, such as \`eq.1\``,
          schema: { type: 'string' },
        },
      ]),
    ),
  };
}

/** The methods that a requester may use on a relation, and the columns it may filter by. */
interface Possibilities {
  readonly table: Table;
  readonly filters: readonly Column[];
  readonly canRead: boolean;
  readonly canInsert: boolean;
  readonly canUpdate: boolean;
  readonly canDelete: boolean;
}

function operations({
  table,
  filters,
  canRead,
  canInsert,
  canUpdate,
  canDelete,
}: Possibilities): Readonly<Record<string, unknown>> {
  const { summary, description } = documentation(table.comment);
  const common = {
    tags: [table.name],
    ...(summary !== null && { summary }),
    ...(description !== null && { description }),
  };
  const filterReferences = filters.map(({ name }) =>
    reference('parameters', componentName('rowFilter', table.name, name)),
  );
  const rows = rowsResponse(componentName(table.name));
  const written = (status: string, meaning: string) => ({
    [status]: { ...rows, description: meaning },
    ...refusedWith('400', '401', '403', '406', '409', '413'),
  });
  const inserted = reference('schemas', componentName(table.name, 'insert'));
  return {
    ...(canRead && {
      get: {
        operationId: operationId('read', table.name),
        ...common,
        parameters: [
          ...filterReferences,
          ...['select', 'order', 'limit', 'offset', 'and', 'or', 'after', 'distinct', 'having'].map((name) =>
            reference('parameters', name),
          ),
          reference('parameters', 'Range'),
          reference('parameters', 'preferRead'),
        ],
        responses: {
          '200': { ...rows, description: 'The rows' },
          '206': { ...rows, description: 'Some of the rows; Content-Range says which' },
          ...refusedWith('400', '401', '403', '406', '416'),
        },
      },
    }),
    ...(canInsert && {
      post: {
        operationId: operationId('insert', table.name),
        ...common,
        parameters: ['select', 'columns', 'on_conflict', 'preferInsert'].map((name) =>
          reference('parameters', name),
        ),
        requestBody: {
          required: true,
          content: {
            'application/json': { schema: { oneOf: [inserted, { type: 'array', items: inserted }] } },
            'text/csv': { schema: { type: 'string' } },
          },
        },
        responses: written('201', 'Inserted'),
      },
    }),
    ...(canUpdate && {
      patch: {
        operationId: operationId('update', table.name),
        ...common,
        parameters: [
          ...filterReferences,
          ...['select', 'columns', 'preferWrite'].map((name) => reference('parameters', name)),
        ],
        requestBody: {
          required: true,
          content: {
            'application/json': { schema: reference('schemas', componentName(table.name, 'update')) },
          },
        },
        responses: {
          ...written('200', 'Updated; the rows with Prefer: return=representation'),
          '204': { description: 'Updated' },
        },
      },
    }),
    ...(canDelete && {
      delete: {
        operationId: operationId('delete', table.name),
        ...common,
        parameters: [
          ...filterReferences,
          ...['select', 'preferWrite'].map((name) => reference('parameters', name)),
        ],
        responses: {
          ...written('200', 'Deleted; the rows with Prefer: return=representation'),
          '204': { description: 'Deleted' },
        },
      },
    }),
  };
}

/** The schema of a row as it comes without `select`: every readable column is there. */
function rowSchema(
  table: Table,
  columns: readonly Column[],
  relationships: readonly ForeignKeyRelationship[],
): JsonSchema {
  return objectSchema(table, columns, columns, (column) => columnDescription(table, column, relationships));
}

/**
 * The schema of a row to write. A default is described and is not a `default`: generators of code take a property that
 * has one for always present, and here it is the one that may be left out.
 */
function writeSchema(
  table: Table,
  columns: readonly Column[],
  required: readonly Column[],
  relationships: readonly ForeignKeyRelationship[],
): JsonSchema {
  return objectSchema(table, columns, required, (column) => {
    const description = columnDescription(table, column, relationships);
    if (column.defaultExpression === null) return description;
    const byDefault = `Default: \`${column.defaultExpression}\``;
    return description === null ? byDefault : `${description}\n\n${byDefault}`;
  });
}

function objectSchema(
  table: Table,
  columns: readonly Column[],
  required: readonly Column[],
  describe: (column: Column) => string | null,
): JsonSchema {
  const description = withoutTags(table.comment);
  return {
    type: 'object',
    ...(description !== null && { description }),
    properties: Object.fromEntries(
      columns.map((column) => [column.name, schemaOfColumn(column, describe(column))]),
    ),
    ...(required.length > 0 && { required: required.map(({ name }) => name) }),
  };
}

function writable(columns: readonly Column[], names: ReadonlySet<string>): readonly Column[] {
  return columns.filter(({ name, generated }) => names.has(name) && !generated);
}

function columnDescription(
  table: Table,
  column: Column,
  relationships: readonly ForeignKeyRelationship[],
): string | null {
  const notes = keyNotes(table, column, relationships);
  const comment = withoutTags(column.comment);
  return notes === null || comment === null ? (notes ?? comment) : `${comment}\n\n${notes}`;
}

function rowsResponse(rowName: string): Readonly<Record<string, unknown>> {
  const row = reference('schemas', rowName);
  return {
    content: {
      'application/json': { schema: { type: 'array', items: row } },
      'application/vnd.pgrst.object+json': { schema: row },
      'text/csv': { schema: { type: 'string' } },
    },
  };
}
