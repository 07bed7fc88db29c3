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
  json: anyJson(),
  jsonb: anyJson(),
};

/** Every JSON value. The types are named, because generators of code make nothing useful of a schema without them. */
function anyJson(): JsonSchema {
  return {
    type: ['object', 'array', 'string', 'number', 'boolean', 'null'],
    additionalProperties: true,
    items: {},
  };
}

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
    ...(column.generated && { readOnly: true }),
    ...(description !== null && { description }),
  };
}

/** Whether every insert has to give a value, because neither a default nor null stands in for it. */
export function isRequiredAtInsert({ nullable, generated, defaultExpression }: Column): boolean {
  return !nullable && !generated && defaultExpression === null;
}
