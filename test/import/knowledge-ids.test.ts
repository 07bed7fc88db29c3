import { expect, it } from 'vitest';
import { knowledgeIds } from '../../src/import/knowledge-ids.ts';
import type { IdentifiedItem } from '../../src/import/knowledge-ids.ts';

const item = (agentId: string, id: string, fields: IdentifiedItem['value'] = {}): IdentifiedItem => ({
  agentId,
  id,
  value: { id, content: 'c', timestamp: 't', ...fields },
});

it('the only item with an id is first in line for it', () => {
  const [a, b] = knowledgeIds([item('x', 'a'), item('x', 'b')]);
  expect([a?.first, b?.first]).toEqual([true, true]);
  expect(a).toMatchObject({ plainId: 'a', derivedId: `a~${a?.identity.slice(0, 16)}` });
});

it('the same one of several items with an id is first, whatever their order', () => {
  const items = [
    item('x', 'a'),
    item('y', 'a'),
    item('x', 'a', { source: 's' }),
    item('x', 'a', { metadata: { m: 1 } }),
  ];
  const there = knowledgeIds(items);
  expect(there.filter(({ first }) => first)).toHaveLength(1);
  expect(new Set(there.map(({ derivedId }) => derivedId)).size).toBe(4);
  expect(knowledgeIds(items.toReversed()).toReversed()).toEqual(there);
});

it('identical items are told apart by their number, and the smaller number stays first', () => {
  const one = knowledgeIds([item('x', 'a')]);
  const three = knowledgeIds([item('x', 'a'), item('x', 'a'), item('x', 'a')]);
  expect(new Set(three.map(({ identity }) => identity)).size).toBe(3);
  expect(three.filter(({ first }) => first)).toEqual(one);
});

it('an item stays the same when its counters grow, and when a writer turns 1.0 into 1', () => {
  const [before] = knowledgeIds([
    item('x', 'a', { usage_count: 0, relevance_score: 1, metadata: { confidence: 1 } }),
  ]);
  const exact = JSON as unknown as { rawJSON(text: string): { rawJSON: string } };
  const [after] = knowledgeIds([
    item('x', 'a', { usage_count: 7, relevance_score: 0.5, metadata: { confidence: exact.rawJSON('1.0') } }),
  ]);
  expect(after).toEqual(before);
});

it('a derived id fits its column', () => {
  const [a] = knowledgeIds([item('x', '😀'.repeat(100))]);
  expect([...(a?.derivedId ?? '')]).toHaveLength(100);
});
