import type { FieldDef } from 'pg';
import { describe, expect, test } from 'vitest';
import { RowShape } from '../../src/db/row-shape.ts';

describe('the shape of rows', () => {
  const shape = new RowShape([field('id', 23), field('ready', 16), field('config', 3802), field('name', 25)]);

  test('parses values by their type, and leaves null as null', () => {
    expect(shape.toObject(['7', 't', '{"a":1}', ''])).toEqual({
      id: 7,
      ready: true,
      config: { a: 1 },
      name: '',
    });
    expect(shape.toArray(['7', 'f', null, 'x'])).toEqual([7, false, null, 'x']);
  });

  test('makes a new row each time', () => {
    const row = shape.toObject(['7', null, null, null]);
    expect(shape.toObject([null, null, null, null])).toEqual({
      id: null,
      ready: null,
      config: null,
      name: null,
    });
    expect(row['id']).toBe(7);
  });

  test('keeps both of two columns of one name as an array, the later one as an object', () => {
    const twice = new RowShape([field('n', 23), field('n', 23)]);
    expect(twice.toArray(['1', '2'])).toEqual([1, 2]);
    expect(twice.toObject(['1', '2'])).toEqual({ n: 2 });
  });
});

function field(name: string, dataTypeID: number): FieldDef {
  return {
    name,
    dataTypeID,
    tableID: 0,
    columnID: 0,
    dataTypeSize: -1,
    dataTypeModifier: -1,
    format: 'text',
  };
}
