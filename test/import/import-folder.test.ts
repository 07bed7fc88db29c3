import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noServer } from '../support/server.ts';
import { importBench } from './legacy-folder.ts';
import type { ImportBench } from './legacy-folder.ts';

/** The sample is beside the project on some machines only; the folders that the tests make prove the same without it. */
const sample = fileURLToPath(new URL('../../../shared/data/legacy', import.meta.url));

const agent = (name: string) => ({
  [`.agent-configs/${name}.json`]: { name, role: 'custom', model: 'm' },
});

const turn = (fields: object = {}) => ({
  timestamp: '2025-09-03T10:34:28.249153',
  agent: 'a',
  user_query: 'q',
  agent_response: 'r',
  task_id: null,
  knowledge_used: 5,
  success: true,
  metadata: { deployment: { type: 't' } },
  ...fields,
});
const history = (...turns: unknown[]) => ({ '.agent-memory/conversation_history.json': turns });

for (const on of ['server', 'embedded'] as const) {
  // Without a server the run says so at its start and its end.
  describe.skipIf(on === 'server' && noServer)(`stores of the legacy system, imported (${on})`, () => {
    let bench: ImportBench;
    beforeAll(async () => {
      bench = await importBench(on);
    }, 180_000);
    afterAll(() => bench?.close(), 60_000);

    const messages = (tenant: string) =>
      bench.rows(
        `select t.agent_id, t.task_id, m.number, m.role, m.content, m.metadata, m.created_at
         from app_public.messages m join app_public.threads t using (tenant_id)
         where m.tenant_id = $1 and m.thread_id = t.id order by t.agent_id, first_value(m.content) over (partition by m.thread_id order by m.number) desc, m.number`,
        tenant,
      );

    it('makes a turn two messages of the thread of its agent and task, and says which answer was cut', async () => {
      const { id, run, audit } = await bench.tenant();
      const folder = await bench.folder({
        ...agent('a'),
        ...history(
          turn({ agent_response: '😀'.repeat(1_000) }),
          turn({ user_query: 'q2', agent_response: 'r2', extra: 1 }),
          turn({ user_query: 'other task', task_id: 'not-a-uuid' }),
          // The same in every word is another turn.
          turn({ user_query: 'q2', agent_response: 'r2', extra: 1 }),
        ),
        '.agent-memory/project_memories.json': { one: {}, two: {} },
      });
      const first = await run(folder);
      expect(first.refused).toEqual([]);
      expect(first.counts['conversations']).toBe('4 = stored 4 + already there 0 + quarantined 0');
      expect(first.text).toContain('2 memories of projects (.agent-memory/project_memories.json)');
      const stored = await messages(id);
      expect(stored.map(({ number, role, content }) => [number, role, String(content).slice(0, 10)])).toEqual(
        [
          [1, 'user', 'q'],
          [2, 'assistant', '😀😀😀😀😀'],
          [3, 'user', 'q2'],
          [4, 'assistant', 'r2'],
          [5, 'user', 'q2'],
          [6, 'assistant', 'r2'],
          [1, 'user', 'other task'],
          [2, 'assistant', 'r'],
        ],
      );
      expect(stored.map(({ metadata }) => metadata)).toEqual([
        {},
        { truncated: true },
        ...Array.from({ length: 6 }, () => ({})),
      ]);
      expect(stored[0]?.['created_at']).toEqual(new Date('2025-09-03T08:34:28.249Z'));
      const turns = await bench.rows(
        'select task_id, context, success, knowledge_used from legacy.turns where tenant_id = $1 order by number, task_id nulls first',
        id,
      );
      const context = { deployment: { type: 't' } };
      expect(turns.slice(0, 3)).toEqual([
        { task_id: null, context, success: true, knowledge_used: 5 },
        { task_id: 'not-a-uuid', context, success: true, knowledge_used: 5 },
        {
          task_id: null,
          context: { ...context, legacy: { others: { extra: 1 } } },
          success: true,
          knowledge_used: 5,
        },
      ]);
      const logged = await audit();
      expect((await run(folder)).counts['conversations']).toBe(
        '4 = stored 0 + already there 4 + quarantined 0',
      );
      expect(await messages(id)).toEqual(stored);
      expect(await audit()).toBe(logged);
    });

    it('quarantines turns that cannot be stored, and those whose agent is undefined unless it is to be made', async () => {
      const { id, run } = await bench.tenant();
      const folder = await bench.folder({
        ...agent('a'),
        ...history(
          turn({ agent: 'ghost' }),
          turn({ user_query: null }),
          turn({ timestamp: '2025-02-30T00:00:00' }),
          turn({ task_id: 'x'.repeat(256) }),
          turn({ user_query: 'x'.repeat(8_000_001) }),
          turn(),
        ),
      });
      const { counts, refused } = await run(folder);
      expect(counts['conversations']).toBe('6 = stored 1 + already there 0 + quarantined 5');
      expect(refused.map(({ index, reason }) => `${String(index)} ${reason}`)).toEqual([
        '0 its agent "ghost" has no definition, neither in the folder nor in the database',
        '1 user_query is not a string',
        '2 timestamp is "2025-02-30T00:00:00"; expected an ISO 8601 date and time',
        '3 task_id has 256 characters; expected at most 255',
        expect.stringMatching(/^4 Postgres refused it: .*8000000 bytes together.*LTC03/),
      ]);
      const again = await run(folder, { createMissingAgents: true });
      expect(again.counts['conversations']).toBe('6 = stored 1 + already there 1 + quarantined 4');
      expect(again.text).toContain('conversations: made agents that had no definition: ghost');
      expect((await messages(id)).map((row) => row['agent_id'])).toEqual(['a', 'a', 'ghost', 'ghost']);
    });

    // The sample is not part of the project: where it is missing, the folders above stand in for it.
    it.skipIf(!existsSync(sample))('stores the sample, and changes nothing at the second run', async () => {
      const { run, audit } = await bench.tenant();
      const { status, counts } = await run(sample);
      expect(status).toBe(0);
      expect(counts).toMatchObject({
        agents: '11 = stored 11 + already there 0 + quarantined 0',
        knowledge: '724 = stored 713 + already there 0 + quarantined 11',
        conversations: '20 = stored 12 + already there 0 + quarantined 8',
      });
      const all = await run(sample, { createMissingAgents: true });
      expect(all.counts).toMatchObject({
        knowledge: '724 = stored 11 + already there 713 + quarantined 0',
        conversations: '20 = stored 8 + already there 12 + quarantined 0',
      });
      const logged = await audit();
      const again = await run(sample, { createMissingAgents: true });
      expect(again.counts).toMatchObject({
        knowledge: '724 = stored 0 + already there 724 + quarantined 0',
        conversations: '20 = stored 0 + already there 20 + quarantined 0',
      });
      expect(await audit()).toBe(logged);
    });
  });
}
