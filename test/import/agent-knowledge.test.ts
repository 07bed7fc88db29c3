import { describe, expect, it } from 'vitest';
import { mapKnowledge } from '../../src/import/agent-knowledge.ts';

const item = { id: 'i', content: 'c', timestamp: '2025-01-01T02:00:00' };

describe('an item of knowledge', () => {
  it('becomes a row', () => {
    const given = {
      ...item,
      category: 'k',
      source: 's',
      metadata: { file: 'f' },
      usage_count: 3,
      relevance_score: 0.5,
    };
    expect(mapKnowledge('a', given)).toEqual({
      agentId: 'a',
      id: 'i',
      category: 'k',
      content: 'c',
      source: 's',
      metadata: { file: 'f' },
      legacy: {},
      usageCount: '3',
      relevanceScore: '0.5',
      createdAt: '2025-01-01T02:00:00+02:00',
      lastUsedAt: null,
    });
  });

  it('needs only an id, a content and a time', () => {
    expect(mapKnowledge('a', item)).toMatchObject({
      category: null,
      source: null,
      usageCount: '0',
      relevanceScore: '1',
    });
  });

  it.each([
    [{ extra: [1], metadata: { m: 1 } }, { m: 1 }, { others: { extra: [1] } }],
    [{ metadata: ['x'] }, {}, { metadata: ['x'] }],
    [{ metadata: { legacy: 1, m: 2 } }, {}, { metadata: { legacy: 1, m: 2 } }],
    [{ metadata: null }, {}, { metadata: null }],
    [{ timestamp: '2025-01-01T02:00:00.1234567' }, {}, { timestamp: '2025-01-01T02:00:00.1234567' }],
  ])('with %j keeps what has no column', (fields, metadata, legacy) => {
    expect(mapKnowledge('a', { ...item, ...fields })).toMatchObject({ metadata, legacy });
  });

  it.each([
    ['text', 'not a JSON object'],
    [{ ...item, id: '' }, 'id is not a non-empty string'],
    [{ ...item, id: 'i'.repeat(101) }, 'id has 101 characters'],
    [{ id: 'i', timestamp: item.timestamp }, 'content is missing'],
    [{ ...item, content: 5 }, 'content is not a string'],
    [{ ...item, category: 'k'.repeat(51) }, 'category has 51 characters'],
    [{ ...item, timestamp: '2025-02-30T00:00:00' }, 'expected an ISO 8601 date'],
    [{ ...item, timestamp: 1 }, 'timestamp is not a string'],
    [{ id: 'i', content: 'c' }, 'timestamp is missing'],
    [{ ...item, usage_count: -1 }, 'usage_count'],
    [{ ...item, usage_count: 1.5 }, 'usage_count'],
    [{ ...item, usage_count: '3' }, 'usage_count'],
    [{ ...item, relevance_score: 'high' }, 'relevance_score is not a number'],
  ])('%j is refused', (value, reason) => {
    expect(mapKnowledge('a', value)).toContain(reason);
  });
});
