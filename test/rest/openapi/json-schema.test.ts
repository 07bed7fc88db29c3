import { describe, expect, test } from 'vitest';
import { isRequiredAtInsert, schemaOfColumn, schemaOfType } from '../../../src/rest/openapi/json-schema.ts';
import type { Column } from '../../../src/schema-cache/table.ts';

describe('the schema of a type', () => {
  test.each([
    ['integer', { type: 'integer', format: 'int32' }],
    ['character varying(20)', { type: 'string' }],
    ['timestamp(3) with time zone', { type: 'string', format: 'date-time' }],
    ['timestamp without time zone', { type: 'string', format: 'timestamp without time zone' }],
    [
      'jsonb',
      {
        type: ['object', 'array', 'string', 'number', 'boolean', 'null'],
        additionalProperties: true,
        items: {},
      },
    ],
    ['numeric(10,2)', { type: 'number' }],
    ['vector(1536)', { type: 'string', format: 'vector(1536)' }],
    ['integer[]', { type: 'array', items: { type: 'integer', format: 'int32' } }],
  ])('%s', (type, schema) => {
    expect(schemaOfType(type)).toEqual(schema);
  });
});

describe('the schema of a column', () => {
  const column = (differences: Partial<Column>): Column => ({
    name: 'c',
    comment: null,
    nullable: false,
    generated: false,
    type: 'text',
    nominalType: 'text',
    maxLength: null,
    defaultExpression: null,
    enumLabels: [],
    ...differences,
  });

  test.each([
    ['null is one of its values', { nullable: true }, { type: ['string', 'null'] }],
    [
      'null is one of an enum',
      { nullable: true, enumLabels: ['a'] },
      { type: ['string', 'null'], enum: ['a', null] },
    ],
    ['a length is a limit', { maxLength: 3 }, { type: 'string', maxLength: 3 }],
    ['a default is left out', { defaultExpression: "'it''s'::text" }, { type: 'string' }],
    ['a column that nobody may write is read-only', { generated: true }, { type: 'string', readOnly: true }],
  ] satisfies [string, Partial<Column>, object][])('%s', (_title, differences, schema) => {
    expect(schemaOfColumn(column(differences), null)).toEqual(schema);
  });

  test('has the description', () => {
    expect(schemaOfColumn(column({}), 'Who it is.')).toEqual({ type: 'string', description: 'Who it is.' });
  });

  test.each([
    [true, {}],
    [false, { nullable: true }],
    [false, { defaultExpression: 'now()' }],
    [false, { generated: true }],
  ] satisfies [boolean, Partial<Column>][])('is required at insert: %s for %o', (required, differences) => {
    expect(isRequiredAtInsert(column(differences))).toBe(required);
  });
});
