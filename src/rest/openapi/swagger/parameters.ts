import type { Table } from '../../../schema-cache/table.ts';
import { swaggerReference } from './swagger-reference.ts';

type Json = Readonly<Record<string, unknown>>;

/** The parameters that all relations share, by their names in the document. */
export const sharedParameters: Readonly<Record<string, Json>> = {
  preferParams: preference(),
  preferReturn: preference('return=representation', 'return=minimal', 'return=none'),
  preferCount: preference('count=none'),
  preferPost: preference(
    'return=representation',
    'return=minimal',
    'return=none',
    'resolution=ignore-duplicates',
    'resolution=merge-duplicates',
  ),
  select: text('select', 'query', 'Filtering Columns'),
  on_conflict: text('on_conflict', 'query', 'On Conflict'),
  order: text('order', 'query', 'Ordering'),
  range: text('Range', 'header', 'Limiting and Pagination'),
  rangeUnit: { ...text('Range-Unit', 'header', 'Limiting and Pagination'), default: 'items' },
  offset: text('offset', 'query', 'Limiting and Pagination'),
  limit: text('limit', 'query', 'Limiting and Pagination'),
};

/** The body and the filters of a relation, by their names in the document. */
export function relationParameters(table: Table): readonly (readonly [name: string, parameter: Json])[] {
  return [
    [
      bodyName(table),
      {
        name: table.name,
        description: table.name,
        required: false,
        in: 'body',
        schema: swaggerReference('definitions', table.name),
      },
    ],
    ...[...table.columns.values()].map(
      ({ name, comment }) => [filterName(table, name), text(name, 'query', comment)] as const,
    ),
  ];
}

/** The name of the parameter that holds the rows to write. */
export function bodyName({ name }: Table): string {
  return `body.${name}`;
}

/** The names of the filters, in the order of the columns. */
export function filterNames(table: Table): readonly string[] {
  return [...table.columns.keys()].map((column) => filterName(table, column));
}

function filterName({ name }: Table, column: string): string {
  return `rowFilter.${name}.${column}`;
}

function preference(...values: readonly string[]): Json {
  return { ...text('Prefer', 'header', 'Preference'), ...(values.length > 0 && { enum: values }) };
}

function text(name: string, place: 'query' | 'header', description: string | null): Json {
  return {
    name,
    ...(description !== null && { description }),
    required: false,
    in: place,
    type: 'string',
  };
}
