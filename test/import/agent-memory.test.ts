import { describe, expect, it } from 'vitest';
import { mapTurn } from '../../src/import/agent-memory.ts';

const item = { timestamp: '2025-01-01T02:00:00', user_query: 'q', agent_response: 'r' };

describe('a turn of a conversation', () => {
  it('needs only a question, an answer and a time', () => {
    expect(mapTurn('i', item)).toEqual({
      id: 'i',
      taskId: null,
      agentId: null,
      userQuery: 'q',
      agentResponse: 'r',
      context: {},
      knowledgeMetadata: null,
      success: null,
      knowledgeUsed: null,
      rlEnhanced: null,
      createdAt: '2025-01-01T02:00:00+02:00',
      truncated: false,
      userQueryEncrypted: null,
      agentResponseEncrypted: null,
    });
  });

  it('was said at the time of the clock that is named', () => {
    expect(mapTurn('i', item, '-03:30')).toMatchObject({ createdAt: '2025-01-01T02:00:00-03:30' });
  });

  it.each([
    ['x'.repeat(999), false],
    ['x'.repeat(1_000), true],
    ['😀'.repeat(1_000), true],
    ['😀'.repeat(500), false],
  ])('was cut if its answer has 1,000 characters', (agentResponse, truncated) => {
    expect(mapTurn('i', { ...item, agent_response: agentResponse })).toMatchObject({ truncated });
  });

  it.each([
    [{ metadata: ['x'] }, { legacy: { metadata: ['x'] } }],
    [{ metadata: { legacy: 1 } }, { legacy: { metadata: { legacy: 1 } } }],
    [
      { metadata: { m: 1 }, more: 2 },
      { m: 1, legacy: { others: { more: 2 } } },
    ],
    [{ timestamp: '2025-01-01T02:00:00.1234567' }, { legacy: { timestamp: '2025-01-01T02:00:00.1234567' } }],
  ])('with %j keeps what has no column', (fields, context) => {
    expect(mapTurn('i', { ...item, ...fields })).toMatchObject({ context });
  });

  it.each([
    ['text', 'not a JSON object'],
    [{ ...item, user_query: 1 }, 'user_query is not a string'],
    [{ timestamp: item.timestamp, user_query: 'q' }, 'agent_response is missing'],
    [{ ...item, agent: 1 }, 'agent is not a string'],
    [{ ...item, agent: 'a'.repeat(51) }, 'the agent has 51 characters'],
    [{ ...item, task_id: 1 }, 'task_id is not a string'],
    [{ ...item, success: 'NaN' }, 'success is neither true nor false'],
    [{ ...item, knowledge_used: -1 }, 'knowledge_used'],
    [{ ...item, timestamp: 1 }, 'timestamp is not a string'],
  ])('%j is refused', (value, reason) => {
    expect(mapTurn('i', value)).toContain(reason);
  });
});
