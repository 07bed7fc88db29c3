import type { Column } from '../../schema-cache/table.ts';

/** A JSON Schema (2020-12), in OpenAPI 3.1's form. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The schema of a Postgres type's values as Postgres writes them in JSON. Types without a matching JSON type are strings
 * whose `format` is the type's name.
 *
 * @param type as `format_type` writes it, including a modifier
 */
export function schemaOfType(type: string): JsonSchema {
  const element = /^(.*)\[\]$/.exec(type)?.[1];
  if (element !== undefined) return { type: 'array', items: schemaOfType(element) };
  // Some names have the modifier in the middle: `timestamp(3) with time zone`.
  const name = type.replace(/\([^)]*\)/, '');
  return byName[name] ?? { type: 'string', format: type };
}

const byName: Readonly<Record<string, JsonSchema>> = {
  boolean: { type: 'boolean' },
  smallint: { type: 'integer', format: 'int16' },
  integer: { type: 'integer', format: 'int32' },
  bigint: { type: 'integer', format: 'int64' },
  numeric: { type: 'number' },
  real: { type: 'number', format: 'float' },
  'double precision': { type: 'number', format: 'double' },
  text: { type: 'string' },
  'character varying': { type: 'string' },
  character: { type: 'string' },
  uuid: { type: 'string', format: 'uuid' },
  date: { type: 'string', format: 'date' },
  'timestamp with time zone': { type: 'string', format: 'date-time' },
  json: {},
  jsonb: {},
};

/** The schema of a column's values. `description` holds what the type does not tell the caller. */
export function schemaOfColumn(column: Column, description: string | null): JsonSchema {
  const base = schemaOfType(column.type);
  return {
    ...base,
    ...(typeof base['type'] === 'string' && column.nullable && { type: [base['type'], 'null'] }),
    ...(column.enumLabels.length > 0 && {
      enum: column.nullable ? [...column.enumLabels, null] : column.enumLabels,
    }),
    ...(column.maxLength !== null && { maxLength: column.maxLength }),
    ...defaultOf(column.defaultExpression),
    ...(column.generated && { readOnly: true }),
    ...(description !== null && { description }),
  };
}

/** The value of a constant default. An expression computed at each insert is not a default in JSON Schema's sense. */
function defaultOf(expression: string | null): { default?: unknown } {
  if (expression === null) return {};
  if (expression === 'true' || expression === 'false') return { default: expression === 'true' };
  if (/^-?\d{1,15}(\.\d{1,6})?$/.test(expression)) return { default: Number(expression) };
  const [, text, type = ''] = /^'((?:[^']|'')*)'::(.+)$/s.exec(expression) ?? [];
  if (text === undefined) return {};
  const value = text.replaceAll("''", "'");
  const { type: jsonType } = schemaOfType(type);
  if (jsonType === 'string') return { default: value };
  try {
    // json, numbers and quoted booleans; Postgres's array notation is not JSON and gives no default.
    return { default: JSON.parse(value) };
  } catch {
    return {};
  }
}
