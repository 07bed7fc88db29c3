import type { ForeignKeyRelationship } from '../../schema-cache/relationship.ts';
import type { Column, Table } from '../../schema-cache/table.ts';
import type { RelationAccess } from './accessible.ts';
import { documentation, withoutTags } from './comment.ts';
import { componentName, reference } from './component-name.ts';
import { schemaOfColumn } from './json-schema.ts';
import type { JsonSchema } from './json-schema.ts';
import { sharedParameterNames } from './shared-components.ts';

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
  const writeName = componentName(table.name, 'write');
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
      [rowName]: objectSchema(table, readable, relationships),
      ...((insertable.length > 0 || updatable.length > 0) && {
        [writeName]: objectSchema(
          table,
          columns.filter((column) => insertable.includes(column) || updatable.includes(column)),
          relationships,
        ),
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
    default: reference('responses', 'Error'),
  });
  const body = reference('schemas', componentName(table.name, 'write'));
  return {
    ...(canRead && {
      get: {
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
          default: reference('responses', 'Error'),
        },
      },
    }),
    ...(canInsert && {
      post: {
        ...common,
        parameters: ['select', 'columns', 'on_conflict', 'preferInsert'].map((name) =>
          reference('parameters', name),
        ),
        requestBody: {
          required: true,
          content: {
            'application/json': { schema: { oneOf: [body, { type: 'array', items: body }] } },
            'text/csv': { schema: { type: 'string' } },
          },
        },
        responses: written('201', 'Inserted'),
      },
    }),
    ...(canUpdate && {
      patch: {
        ...common,
        parameters: [
          ...filterReferences,
          ...['select', 'columns', 'preferWrite'].map((name) => reference('parameters', name)),
        ],
        requestBody: { required: true, content: { 'application/json': { schema: body } } },
        responses: {
          ...written('200', 'Updated; the rows with Prefer: return=representation'),
          '204': { description: 'Updated' },
        },
      },
    }),
    ...(canDelete && {
      delete: {
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

/**
 * The schema of a row. No property is required: `select` can leave out any, and a default fills in for a missing one.
 */
function objectSchema(
  table: Table,
  columns: readonly Column[],
  relationships: readonly ForeignKeyRelationship[],
): JsonSchema {
  const description = withoutTags(table.comment);
  return {
    type: 'object',
    ...(description !== null && { description }),
    properties: Object.fromEntries(
      columns.map((column) => [
        column.name,
        schemaOfColumn(column, columnDescription(table, column, relationships)),
      ]),
    ),
  };
}

function writable(columns: readonly Column[], names: ReadonlySet<string>): readonly Column[] {
  return columns.filter(({ name, generated }) => names.has(name) && !generated);
}

/** A column's description. PostgREST's notes on keys, tags included, are kept because front ends read them. */
function columnDescription(
  table: Table,
  column: Column,
  relationships: readonly ForeignKeyRelationship[],
): string | null {
  const notes = [
    ...(table.primaryKey.includes(column.name) ? ['This is a Primary Key.<pk/>'] : []),
    ...foreignKeyNote(column, relationships),
  ];
  const comment = withoutTags(column.comment);
  if (notes.length === 0) return comment;
  return [...(comment === null ? [] : [comment, '']), 'Note:', ...notes].join('\n');
}

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
