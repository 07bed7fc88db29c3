import { describe, expect, it } from 'vitest';
import { mapAgent } from '../../src/import/agent-configs.ts';

describe('an agent definition', () => {
  it('becomes a row, with everything that lacks a column in config', () => {
    const rest = {
      role: 'planner',
      temperature: 0.7,
      tools: [],
      status: 'x',
      knowledge_base: { domains: ['d'] },
    };
    expect(mapAgent('a', { name: 'A', model: 'm', ...rest })).toEqual({
      id: 'a',
      name: 'A',
      model: 'm',
      specialization: 'planner',
      config: rest,
    });
  });

  it.each([
    [{ role: 'custom', knowledge_base: { domains: ['first', 'second'] } }, 'first'],
    [{ knowledge_base: { domains: ['first'] } }, 'first'],
    [{ role: 'custom' }, null],
    [{ role: 'custom', knowledge_base: { domains: [1] } }, null],
    [{ role: 'x'.repeat(51) }, null],
  ])('of %j is specialized in %s', (rest, specialization) => {
    expect(mapAgent('a', { model: 'm', ...rest })).toMatchObject({ name: 'a', specialization });
  });

  it.each([
    ['a', [], 'not a JSON object'],
    ['a', { name: 'a' }, 'model is missing'],
    ['a', { model: 1 }, 'model is not a string'],
    ['a', { name: 5, model: 'm' }, 'name is not a string'],
    ['', { model: 'm' }, 'no stem to be the id'],
    ['a'.repeat(51), { model: 'm' }, 'the id (the file name) has 51 characters'],
    ['a', { model: 'm'.repeat(51) }, 'model has 51 characters'],
  ])('under the id %j, %j is refused', (id, value, reason) => {
    expect(mapAgent(id, value)).toContain(reason);
  });
});
