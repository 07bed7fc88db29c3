import { describe, expect, test } from 'vitest';
import type { Routine } from '../../../src/schema-cache/routine.ts';
import { catalog, parameter, routine } from './catalog.ts';
import { call, plain, planOf, refusalOf } from './requests.ts';
import type { Said } from './requests.ts';

const cache = catalog({
  routines: [
    routine('add', [parameter('a'), parameter('b')]),
    routine('now_there'),
    routine('greet', [parameter('name', 'text'), parameter('greeting?', 'text')]),
    routine('optional', [parameter('x?')]),
    routine('take_json', [parameter('', 'json')]),
    routine('take_text', [parameter('', 'text')]),
    routine('overloaded'),
    routine('overloaded', [parameter('a')]),
    routine('overloaded', [parameter('a'), parameter('b', 'text')]),
    routine('overloaded', [parameter('', 'jsonb')]),
    routine('twins', [parameter('a', 'integer'), parameter('b?', 'text')]),
    routine('twins', [parameter('a', 'text')]),
  ],
});

function found(name: string, columns: readonly string[], said: Said = {}): Routine {
  return planOf('call', call('post', name, { columns, ...said }), cache).callPlan.routine;
}

const types = ({ parameters }: Routine) => parameters.map(({ type }) => type);

describe('a function is found', () => {
  test('by the names of its arguments', () => {
    expect(types(found('overloaded', []))).toEqual([]);
    expect(types(found('overloaded', ['a']))).toEqual(['integer']);
    expect(types(found('overloaded', ['a', 'b']))).toEqual(['integer', 'text']);
  });

  test('without the arguments that have a default', () => {
    expect(found('greet', ['name']).name).toBe('greet');
    expect(found('greet', ['greeting', 'name']).name).toBe('greet');
    expect(found('optional', []).name).toBe('optional');
  });

  test('by its only unnamed parameter, when no overload has the names', () => {
    expect(types(found('overloaded', ['c']))).toEqual(['jsonb']);
    expect(types(found('take_json', ['anything', 'else']))).toEqual(['json']);
    expect(types(found('take_text', [], { contentType: plain('text/plain') }))).toEqual(['text']);
  });

  test('by GET from the names in the query string', () => {
    const asked = call('get', 'add', {
      query: {
        parameters: [
          ['b', '1'],
          ['a', '2'],
          ['b', '3'],
        ],
      },
    });
    expect(planOf('call', asked, cache).callPlan.routine.name).toBe('add');
  });
});

describe('a function is not found', () => {
  test('by the wrong names, with the likeliest overload', () => {
    expect(refusalOf(call('post', 'add', { columns: ['a', 'c'] }), cache)).toEqual({
      code: 'PGRST202',
      message: 'Could not find the function api.add(a, c) in the schema cache',
      details:
        'Searched for the function api.add with parameters a, c or with a single unnamed json/jsonb parameter, ' +
        'but no matches were found in the schema cache.',
      hint: 'Perhaps you meant to call the function api.add(a, b)',
    });
  });

  test('by GET, which cannot have a body', () => {
    expect(refusalOf(call('get', 'greet', { query: { parameters: [['greetin', 'x']] } }), cache)).toEqual({
      code: 'PGRST202',
      message: 'Could not find the function api.greet(greetin) in the schema cache',
      details:
        'Searched for the function api.greet with parameter greetin, but no matches were found in the schema cache.',
      hint: 'Perhaps you meant to call the function api.greet(greeting, name)',
    });
  });

  test('by the wrong name, with the likeliest one', () => {
    expect(refusalOf(call('get', 'now_thera'), cache)).toEqual({
      code: 'PGRST202',
      message: 'Could not find the function api.now_thera without parameters in the schema cache',
      details:
        'Searched for the function api.now_thera without parameters, but no matches were found in the schema cache.',
      hint: 'Perhaps you meant to call the function api.now_there',
    });
    expect(refusalOf(call('get', 'nothing_like_it'), cache)).toMatchObject({ hint: null });
  });

  test.each([
    ['text/plain', 'text'],
    ['text/xml', 'xml'],
    ['application/octet-stream', 'bytea'],
  ])('for a %s body, which only an unnamed %s parameter takes', (contentType, type) => {
    expect(refusalOf(call('post', 'now_there', { contentType: plain(contentType) }), cache)).toEqual({
      code: 'PGRST202',
      message: 'Could not find the function api.now_there in the schema cache',
      details:
        `Searched for the function api.now_there with a single unnamed ${type} parameter, ` +
        'but no matches were found in the schema cache.',
      hint: null,
    });
  });

  test('when several fit', () => {
    expect(refusalOf(call('post', 'twins', { columns: ['a'] }), cache)).toEqual({
      code: 'PGRST203',
      message:
        'Could not choose the best candidate function between: ' +
        'api.twins(a => text), api.twins(a => integer, b => text)',
      details: null,
      hint:
        'Try renaming the parameters or the function itself in the database ' +
        'so function overloading can be resolved',
    });
  });
});
