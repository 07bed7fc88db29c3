import { describe, expect, it } from 'vitest';
import { givenValues } from '../../../src/rest/response/given-values.ts';
import type { Plan } from '../../../src/rest/plan/plan.ts';

const parameters = [
  { name: 'task_id', type: 'uuid' },
  { name: 'tags', type: 'text[]' },
];
/** Parts of plans: nothing else of them is read. */
const call = (given: object) =>
  ({
    kind: 'call',
    callPlan: { parameters: { kind: 'named', parameters }, arguments: given },
  }) as unknown as Plan;
const insert = { kind: 'mutate', mutatePlan: { kind: 'insert', columns: parameters } } as unknown as Plan;
const json = (text: string) => ({ kind: 'json', text, keys: [] }) as const;

describe('the values of a request', () => {
  it('are the members of a body, with the digits of numbers as they came', () => {
    expect(givenValues(insert, json('{"task_id":1e400,"tags":["a",true],"other":1}'), '')).toEqual([
      { name: 'task_id', type: 'uuid', texts: ['1e400'] },
      { name: 'tags', type: 'text[]', texts: ['["a",true]', 'a', 'true'] },
    ]);
  });

  it('have the place of their row where there are several', () => {
    expect(
      givenValues(insert, json('[{"task_id":"x"},{"task_id":null}]'), '').map(({ name }) => name),
    ).toEqual(['[0].task_id', '[1].task_id']);
  });

  it('are the arguments of a call by body or by query string', () => {
    expect(givenValues(call({ kind: 'body', body: 'a placeholder' }), json('{"task_id":"x"}'), '')).toEqual([
      { name: 'task_id', type: 'uuid', texts: ['x'] },
    ]);
    const values = new Map([['tags', ['a', 'b']]]);
    expect(givenValues(call({ kind: 'direct', values }), null, '')).toContainEqual({
      name: 'tags',
      type: 'text[]',
      texts: ['a', 'b'],
    });
  });

  it('are the conditions of a query string, with every part that may be the value', () => {
    const read = { kind: 'read' } as Plan;
    expect(givenValues(read, null, 'select=a&a=not.eq.1.5&b.c=in.(x,y)&order=a')).toEqual([
      { name: 'a', type: null, texts: ['not.eq.1.5', 'eq.1.5', '1.5', '5'] },
      { name: 'b.c', type: null, texts: ['in.(x,y)', '(x,y)', 'x', 'y'] },
    ]);
    expect(givenValues({ kind: 'options', allow: '' }, null, 'a=eq.1')).toEqual([]);
  });

  it('are named even where they nest deeper than the stack', () => {
    const deep = `{"tags":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(givenValues(insert, json(deep), '')).toEqual([{ name: 'tags', type: 'text[]', texts: [] }]);
  });

  it('are none where the body is not JSON that Postgres could have read', () => {
    expect(givenValues(insert, json('{"task_id":'), '')).toEqual([]);
  });
});
