import { describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../support/server.ts';
import { knowledgeTenants, makeKnowledgeDatabase } from './knowledge-database.ts';
import { measureKnowledge } from './measure-knowledge.ts';

describe.skipIf(noServer)('the benchmark of knowledge, at small size', () => {
  test('finds ten rows in every tenant, the same as an exact search', async () => {
    const tenants = knowledgeTenants(2_000);
    expect(tenants).toHaveLength(20);
    expect(tenants.reduce((sum, { rows }) => sum + rows, 0)).toBe(2_000);
    const database = await makeKnowledgeDatabase(readyServer().adminUrl, tenants);
    try {
      const some = [tenants[0]!, tenants[1]!, tenants[3]!];
      const results = await measureKnowledge(database, some, 8, () => {});
      expect(results.map(({ rows }) => rows)).toEqual([1_800, 60, 50]);
      for (const { recall, fewestRows } of results) {
        expect(recall.search_knowledge).toBeGreaterThanOrEqual(0.95);
        expect(fewestRows.search_knowledge).toBe(10);
        expect(fewestRows.hybrid).toBe(10);
      }
    } finally {
      await database.drop();
    }
  }, 120_000);
});
