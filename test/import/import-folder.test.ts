import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noServer } from '../support/server.ts';
import { importBench } from './legacy-folder.ts';
import type { ImportBench } from './legacy-folder.ts';
import { applicationSchema, sqliteBytes } from './sqlite-bytes.ts';

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

    it('reads times of JSON files by another clock, if it is told', async () => {
      const { id, run } = await bench.tenant();
      const item = { id: 'k', content: 'c', timestamp: '2025-01-01T00:00:00' };
      const folder = await bench.folder({
        ...agent('a'),
        ...history(turn()),
        '.agent-knowledge/a.json': [item],
      });
      await run(folder, { clock: '-01:00' });
      expect((await messages(id))[0]?.['created_at']).toEqual(new Date('2025-09-03T11:34:28.249Z'));
      expect(
        await bench.rows('select created_at from app_public.knowledge where tenant_id = $1', id),
      ).toEqual([{ created_at: new Date('2025-01-01T01:00:00Z') }]);
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

    it('stores the tables of the application database, with ids that are not UUIDs and times in UTC', async () => {
      const { id, run, audit } = await bench.tenant();
      const uuid = '330d0577-f8e2-46f1-87d9-86916f2872e3';
      const database = await sqliteBytes(`${applicationSchema}
        insert into agents values ('a', 'A', 'm', null, 'training', '{"n": 12345678901234567890}', '["x"]', '2025-09-16 12:00:00',
          '2025-09-17 12:00:00', 'cipher', null);
        insert into tasks values ('test-001', 'a', 'd', 'started', 'high', '{"c": NaN}', null, null, '2025-09-16 12:00:00.5',
          '2025-09-16 12:01:00', null);
        insert into tasks values ('${uuid}', null, 'd2', 'completed', 'normal', null, '[1.50]', null, '2025-09-16 12:00:00+01:00',
          null, null);
        insert into knowledge values ('k', 'a', 'c', 'text', null, '{}', 7, 1.5, '2025-09-16 12:34:02', '2025-09-16 12:54:46.711400');
        insert into workflows values ('w-1', 'W', null, '[{"id": "s", "name": "S"}]', 'active', 'a', null, '{}',
          '2025-09-16 12:00:00', null, null, null);
        insert into users values ('u', 'ada', 'ada@example.org', 'hash', 'admin', 1, '2025-09-16 12:00:00', null, null, null);
        insert into conversations values ('t', 'test-001', 'a', 'q', 'r', '{"x": 1}', null, 1, 2, 0, '2025-09-16 12:00:00', null, null);
        insert into server_tasks values ('s');
        insert into events values ('e1'), ('e2');`);
      const folder = await bench.folder({
        'agentlightning.db': database,
        '.agent-knowledge/a.json': [{ id: 'k', content: 'other', timestamp: '2025-01-01T00:00:00' }],
      });
      const { text, status, refused, counts } = await run(folder);
      expect(refused).toEqual([]);
      expect(status).toBe(0);
      expect(text).toContain(
        '2 rows of events (agentlightning.db), 1 rows of server_tasks (agentlightning.db)',
      );
      expect(counts['tasks (agentlightning.db)']).toBe('2 = stored 2 + already there 0 + quarantined 0');
      const one = async (query: string) => bench.rows(query, id);
      expect(
        await one(
          `select a.status, f.status as word, a.config ->> 'n' as n, f.capabilities, f.config_encrypted, a.created_at
           from app_public.agents a join legacy.agent_fields f on f.agent_id = a.id and f.tenant_id = a.tenant_id where a.tenant_id = $1`,
        ),
      ).toEqual([
        {
          status: 'busy',
          word: 'training',
          n: '12345678901234567890',
          capabilities: ['x'],
          config_encrypted: 'cipher',
          created_at: new Date('2025-09-16T12:00:00Z'),
        },
      ]);
      expect(
        await one(
          `select t.id = legacy.id_of('test-001') as derived, f.id, t.status, f.status as word, t.agent_id, t.context, t.result::text,
             t.created_at, t.started_at
           from app_public.tasks t left join legacy.task_fields f on f.task_id = t.id and f.tenant_id = t.tenant_id
           where t.tenant_id = $1 order by t.description`,
        ),
      ).toEqual([
        {
          derived: true,
          id: 'test-001',
          status: 'running',
          word: 'started',
          agent_id: 'a',
          context: { c: 'NaN' },
          result: null,
          created_at: new Date('2025-09-16T12:00:00.5Z'),
          started_at: new Date('2025-09-16T12:01:00Z'),
        },
        {
          derived: false,
          id: null,
          status: 'completed',
          word: null,
          agent_id: null,
          context: {},
          result: '[1.50]',
          created_at: new Date('2025-09-16T11:00:00Z'),
          started_at: null,
        },
      ]);
      // Two items under one id stay two items, whichever source they come from.
      expect(
        await one(
          `select content, metadata #>> '{legacy,id}' as id, usage_count, last_used_at from app_public.knowledge
           where tenant_id = $1 order by content`,
        ),
      ).toEqual([
        { content: 'other', id: 'k', usage_count: 0, last_used_at: null },
        { content: 'text', id: 'k', usage_count: 7, last_used_at: new Date('2025-09-16T12:54:46.711Z') },
      ]);
      expect(
        await one(
          `select w.name, w.status, f.id, f.steps from app_public.workflows w
           join legacy.workflow_fields f on f.workflow_id = w.id and f.tenant_id = w.tenant_id where w.tenant_id = $1`,
        ),
      ).toEqual([{ name: 'W', status: 'running', id: 'w-1', steps: [{ id: 's', name: 'S' }] }]);
      expect(await one('select username, is_active from legacy.users where tenant_id = $1')).toEqual([
        { username: 'ada', is_active: true },
      ]);
      expect(
        await one(
          `select c.id, c.context, c.rl_enhanced, t.task_id = legacy.id_of('test-001') as about
           from legacy.turns c join app_public.threads t on t.id = c.thread_id and t.tenant_id = c.tenant_id where c.tenant_id = $1`,
        ),
      ).toEqual([{ id: 't', context: { x: 1 }, rl_enhanced: false, about: true }]);

      const logged = await audit();
      const again = await run(folder);
      expect(Object.values(again.counts).every((terms) => terms.includes('= stored 0 + '))).toBe(true);
      expect(again.text).not.toContain('differ');
      expect(await audit()).toBe(logged);
    });

    it('quarantines rows that cannot be stored, each with its reason, and keeps columns that it does not know', async () => {
      const { id, run } = await bench.tenant();
      const uuid = '330d0577-f8e2-46f1-87d9-86916f2872e3';
      const values = (...rows: string[]) =>
        rows.map((row) => `insert into tasks values (${row}, 'extra');`).join('\n');
      const database = await sqliteBytes(`${applicationSchema}
        alter table tasks add column more text;
        ${values(
          `'good', null, 'd', 'pending', null, '{}', null, null, null, null, null`,
          `'good', null, 'again', 'pending', null, null, null, null, null, null, null`,
          `'${uuid}', null, 'd', null, null, null, null, null, '2025-01-01T00:00:00Z', null, null`,
          `'{${uuid.toUpperCase().replaceAll('-', '')}}', null, 'd', null, null, null, null, null, null, null, null`,
          `'s', null, 'd', 'hibernating', null, null, null, null, null, null, null`,
          `'j', null, 'd', null, null, '{"cut', null, null, null, null, null`,
          `'t', null, 'd', null, null, null, null, null, '2025-02-30 00:00:00', null, null`,
          `'u', null, x'00ff', null, null, null, null, null, null, null, null`,
          `'v', null, null, null, null, null, null, null, null, null, null`,
          `null, null, 'd', null, null, null, null, null, null, null, null`,
          `'w', 'ghost', 'd', null, null, null, null, null, null, null, null`,
        )}`);
      const folder = await bench.folder({ 'agentlightning.db': database });
      const { refused, counts } = await run(folder);
      expect(counts['tasks (agentlightning.db)']).toBe('11 = stored 2 + already there 0 + quarantined 9');
      expect(refused.map(({ index, reason }) => `${String(index)} ${reason}`)).toEqual([
        '1 another row has the id "good", or one that stands for the same UUID',
        expect.stringMatching(/^3 another row has the id "\{330D/),
        expect.stringMatching(/^4 Postgres refused it: .*'hibernating' is not one of .*LTL01/),
        expect.stringMatching(/^5 context: the JSON is not valid/),
        '6 created_at is "2025-02-30 00:00:00"; expected a date and time',
        '7 description is 2 bytes, not a text',
        '8 description is missing',
        '9 id is missing',
        '10 its agent "ghost" has no definition, neither in the folder nor in the database',
      ]);
      expect(refused.find(({ index }) => index === 7)?.['item']).toMatchObject({
        id: 'u',
        description: { base64: 'AP8=' },
      });
      expect(
        await bench.rows(
          'select context from app_public.tasks where tenant_id = $1 and description = $2',
          id,
          'd',
        ),
      ).toEqual(Array.from({ length: 2 }, () => ({ context: { legacy: { others: { more: 'extra' } } } })));
    });

    it('quarantines an application database that is not one of SQLite or cut off, and stores the rest', async () => {
      const whole = await sqliteBytes(
        `${applicationSchema} insert into tasks (id, description) select 't' || value, hex(randomblob(900))
         from (with recursive n(value) as (select 1 union all select value + 1 from n where value < 50) select value from n);`,
      );
      for (const bytes of [
        Buffer.from('not SQLite at all'),
        whole.subarray(0, whole.length - 4_096),
        Buffer.alloc(0),
      ]) {
        const { run } = await bench.tenant();
        const { counts, refused } = await run(
          await bench.folder({ ...agent('a'), 'agentlightning.db': bytes }),
        );
        expect(counts).toMatchObject({
          agents: '1 = stored 1 + already there 0 + quarantined 0',
          'agents (agentlightning.db)': '1 = stored 0 + already there 0 + quarantined 1',
        });
        expect(refused[0]?.reason).toMatch(/^the file cannot be read as SQLite 3: ./);
      }
    });

    it('writes its report as JSON, with the reasons and the hashes of both sides, and says when it cannot', async () => {
      const { id, run } = await bench.tenant();
      const folder = await bench.folder({
        ...agent('a'),
        ...history(turn(), turn({ agent: 'g' }), turn({ agent: 'g' })),
      });
      const reportFile = path.join(path.dirname(folder), 'report.json');
      await run(folder, { reportFile });
      const report = JSON.parse(await readFile(reportFile, 'utf8'));
      const reason = 'its agent "g" has no definition, neither in the folder nor in the database';
      expect(report).toMatchObject({ complete: true, left_out: [], ignored: [] });
      expect(report.stores[1]).toMatchObject({
        store: 'conversations',
        target: 'legacy.conversations',
        read: 3,
        stored: 1,
        already_there: 0,
        quarantined: 2,
        reasons: { [reason]: 2 },
      });
      const { sha256 } = report.stores[1];
      expect(sha256.read).toMatch(/^[0-9a-f]{64}$/);
      expect(sha256.database).toBe(sha256.read);
      await expect(run(folder, { reportFile: folder })).rejects.toThrow(/^the report cannot be written to /);
      expect(await messages(id)).toHaveLength(2);
    });

    // The sample is not part of the project: where it is missing, the folders above stand in for it.
    it.skipIf(!existsSync(sample))('stores the sample, and changes nothing at the second run', async () => {
      const { run, audit } = await bench.tenant();
      const { status, counts, text } = await run(sample);
      expect(status).toBe(0);
      expect(counts).toMatchObject({
        agents: '11 = stored 11 + already there 0 + quarantined 0',
        knowledge: '724 = stored 713 + already there 0 + quarantined 11',
        'knowledge (agentlightning.db)': '3 = stored 0 + already there 0 + quarantined 3',
        'tasks (agentlightning.db)': '7 = stored 2 + already there 0 + quarantined 5',
        conversations: '20 = stored 12 + already there 0 + quarantined 8',
        points: '559 = stored 437 + already there 119 + quarantined 3',
      });
      expect(text).toContain(
        'points: 440 points are distinct, and 437 of them are numbers; for 32 of these files have different digits, and the longer value was taken',
      );
      expect(text).toContain(
        '6 rows of events (agentlightning.db), 1 rows of server_tasks (agentlightning.db)',
      );
      const all = await run(sample, { createMissingAgents: true });
      expect(all.counts).toMatchObject({
        knowledge: '724 = stored 11 + already there 713 + quarantined 0',
        'knowledge (agentlightning.db)': '3 = stored 3 + already there 0 + quarantined 0',
        'tasks (agentlightning.db)': '7 = stored 5 + already there 2 + quarantined 0',
        conversations: '20 = stored 8 + already there 12 + quarantined 0',
      });
      const logged = await audit();
      const again = await run(sample, { createMissingAgents: true });
      expect(again.counts).toMatchObject({
        knowledge: '724 = stored 0 + already there 724 + quarantined 0',
        'knowledge (agentlightning.db)': '3 = stored 0 + already there 3 + quarantined 0',
        'tasks (agentlightning.db)': '7 = stored 0 + already there 7 + quarantined 0',
        conversations: '20 = stored 0 + already there 20 + quarantined 0',
        points: '559 = stored 0 + already there 556 + quarantined 3',
      });
      expect(await audit()).toBe(logged);
    });
  });
}
