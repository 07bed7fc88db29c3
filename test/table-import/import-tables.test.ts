import path from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noServer } from '../support/server.ts';
import { lines, tablesBench } from './table-files.ts';
import type { TablesBench } from './table-files.ts';

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const counts = (read: number, stored: number, there: number, quarantined: number): string =>
  `read ${read} = stored ${stored} + already there ${there} + quarantined ${quarantined}`;

const agents = lines(
  { id: 'a', name: 'A', model: 'm', config: { n: [1, 'x'], text: 'é😀' } },
  { id: 'b', name: 'B', model: 'm', status: 'busy', created_at: '2025-01-02T03:04:05.678901Z' },
);

for (const on of ['server', 'embedded'] as const) {
  // Without a server the run says so at its start and its end.
  describe.skipIf(on === 'server' && noServer)(`files with rows of tables, imported (${on})`, () => {
    let bench: TablesBench;
    beforeAll(async () => {
      bench = await tablesBench(on);
    }, 180_000);
    afterAll(() => bench?.close(), 60_000);
    const stored = (table: string, tenant: string, columns = '*') =>
      bench.rows(`select ${columns} from app_public.${table} where tenant_id = $1 order by 1`, tenant);

    it('stores JSON, JSON Lines and CSV by column name, whatever they are compressed with, as the tenant', async () => {
      const { id, run, audit } = await bench.tenant();
      const folder = await bench.folder({
        'agents.jsonl': agents,
        'app_public.tasks.csv.gz': gzipSync(
          `id,description,agent_id,context,required_capabilities\n${uuid(1)},"two\nlines, ""quoted""",a,"{""n"": 1.0}",{x}\n${uuid(2)},second,,{},"[""y"",""z""]"\n`,
        ),
        'knowledge.json.zst': zstdCompressSync(
          JSON.stringify([
            { id: 'k1', content: 'one', agent_id: 'b', metadata: 'a "word"', relevance_score: 0.1 },
            {
              id: 'k2',
              content: '',
              source: null,
              embedding: [1, ...Array.from({ length: 1_535 }, () => 0)],
            },
          ]),
        ),
      });
      const { status, last, refused, report } = await run(folder);
      expect(refused).toEqual([]);
      expect({ status, last }).toEqual({
        status: 0,
        last: expect.stringContaining(`in all: ${counts(6, 6, 0, 0)}`),
      });
      expect(report).toMatchObject({ complete: true });
      expect(await stored('agents', id, 'id, status, config, created_at')).toMatchObject([
        { id: 'a', status: 'idle', config: { n: [1, 'x'], text: 'é😀' } },
        { id: 'b', status: 'busy', config: {}, created_at: new Date('2025-01-02T03:04:05.678Z') },
      ]);
      expect(
        await stored('tasks', id, 'id, description, agent_id, context::text, required_capabilities'),
      ).toEqual([
        {
          id: uuid(1),
          description: 'two\nlines, "quoted"',
          agent_id: 'a',
          context: '{"n": 1.0}',
          required_capabilities: ['x'],
        },
        {
          id: uuid(2),
          description: 'second',
          agent_id: null,
          context: '{}',
          required_capabilities: ['y', 'z'],
        },
      ]);
      expect(
        await stored(
          'knowledge',
          id,
          'id, content, source, metadata, relevance_score, embedding is not null as embedded',
        ),
      ).toEqual([
        {
          id: 'k1',
          content: 'one',
          source: null,
          metadata: 'a "word"',
          relevance_score: 0.1,
          embedded: false,
        },
        { id: 'k2', content: '', source: null, metadata: {}, relevance_score: 1, embedded: true },
      ]);
      const [logged] = await bench.rows(
        "select distinct subject, role from audit.log where tenant_id = $1 and table_name = 'app_public.agents'",
        id,
      );
      expect(logged).toMatchObject({ subject: 'import', role: expect.stringMatching(/_service$/) });
      const before = await audit();
      const again = await run(folder);
      expect(again.last).toContain(`in all: ${counts(6, 0, 6, 0)}`);
      expect(await audit()).toBe(before);
    });

    it('hashes what was read and what is stored, row by row', async () => {
      const { run } = await bench.tenant();
      const folder = await bench.folder({ 'agents.jsonl': agents });
      const [first, second] = [await run(folder), await run(folder)];
      for (const { report } of [first, second]) {
        const [{ sha256 }] = report['stores'] as [{ sha256: { read: string; database: string } }];
        expect(sha256.read).toMatch(/^[0-9a-f]{64}$/);
        expect(sha256.database).toBe(sha256.read);
      }
    });

    it('quarantines each row that cannot be stored, with the reason, and stores the rest', async () => {
      const { id, run } = await bench.tenant();
      const row = (n: number, fields: object = {}) => ({ id: uuid(n), description: `task ${n}`, ...fields });
      const deep = `${'['.repeat(600)}${']'.repeat(600)}`;
      const bad: readonly (readonly [record: unknown, reason: RegExp])[] = [
        [row(1, { created_at: 'soon' }), /invalid created_at: .*"soon" \(22007\)/],
        [row(1, { status: 'sleeping' }), /tasks_status_check.*\(23514/],
        [
          row(1, { agent_id: 'nobody' }),
          /tasks_agent_id_fkey.*\(23503; Key is not present in table "agents"/,
        ],
        [row(1, { agent_id: 'x'.repeat(51) }), /invalid agent_id: value too long.*\(22001\)/],
        [row(1, { max_attempts: 99_999_999_999 }), /max_attempts.*out of range/],
        [row(1, { description: ['a'] }), /description is an array; expected a text/],
        [row(1, { description: null }), /null value in column "description"/],
        [row(1, { id: 'not-a-uuid' }), /invalid id: .*\(22P02\)/],
        [{ description: 'no id' }, /id is missing, by which a row is known again/],
        [row(1, { description: 'a\0b' }), /U\+0000/],
        [row(1, { description: 'a\ud800b' }), /half of a surrogate pair/],
        [`{"id":"${uuid(1)}","description":"d","context":{"n":NaN}}`, /NaN or Infinity, which are not JSON/],
        [`{"id":"${uuid(1)}","description":"d","context":${deep}}`, /nested deeper than 500/],
        ['{"id":', /the JSON is not valid/],
        ['[1]', /not a JSON object/],
        [row(1, { tenant_id: 'other' }), /belongs to the tenant "other"/],
      ];
      const good = [row(101, { tenant_id: id }), row(102), row(103, { context: { n: 1e300 } })];
      const records = [good[0], ...bad.map(([record]) => record), good[1], good[2]];
      const folder = await bench.folder({ 'tasks.jsonl': lines(...records) });
      const { status, last, refused, report } = await run(folder);
      expect({ status, last }).toMatchObject({
        status: 0,
        last: expect.stringContaining(counts(19, 3, 0, 16)),
      });
      expect(refused.map(({ index }) => index)).toEqual(bad.map((_, i) => i + 1));
      for (const [i, [, reason]] of bad.entries()) {
        expect(refused[i]?.reason).toMatch(reason);
      }
      expect(refused[0]).toMatchObject({ item: bad[0]?.[0], file: path.join(folder, 'tasks.jsonl') });
      expect((await stored('tasks', id, 'id')).map((each) => each['id'])).toEqual([101, 102, 103].map(uuid));
      const [{ reasons }] = report['stores'] as [{ reasons: Record<string, number> }];
      expect(Object.values(reasons).reduce((sum, n) => sum + n, 0)).toBe(16);
      expect((await run(folder)).last).toContain(counts(19, 0, 3, 16));
    });

    it('loses no row to others in the middle of many', async () => {
      const { id, run } = await bench.tenant();
      const records = Array.from({ length: 21_000 }, (_, n) => ({
        id: `k${n}`,
        content: `content ${n}`,
        usage_count: n % 5_000 === 17 ? -1 : n,
      }));
      const folder = await bench.folder({ 'knowledge.jsonl': lines(...records) });
      const { last, refused } = await run(folder);
      expect(last).toContain(counts(21_000, 20_995, 0, 5));
      expect(refused.map(({ index }) => index)).toEqual([17, 5_017, 10_017, 15_017, 20_017]);
      expect(
        await bench.rows(
          'select count(*)::int as n, sum(usage_count)::int as sum from app_public.knowledge where tenant_id = $1',
          id,
        ),
      ).toEqual([
        { n: 20_995, sum: records.reduce((sum, { usage_count: n }) => sum + Math.max(n, 0), 0) - 0 },
      ]);
    }, 120_000);

    it('keeps a row that is there with other values, and quarantines the one that came as a conflict', async () => {
      const { id, run } = await bench.tenant();
      await run(await bench.folder({ 'agents.jsonl': agents }));
      const changed = await bench.folder({
        'agents.jsonl': lines(
          { id: 'a', name: 'other', model: 'm', config: { n: [1, 'x'], text: 'é' } },
          { id: 'b', name: 'B', model: 'm' },
          { id: 'c', name: 'C', model: 'm' },
          { id: 'c', name: 'C', model: 'm' },
          { id: 'c', name: 'C2', model: 'm' },
          { id: 'd', name: 'D', model: 'm', status: 'none' },
          { id: 'd', name: 'D', model: 'm' },
          { id: 'd', name: 'D', model: 'm' },
        ),
      });
      const { last, refused } = await run(changed);
      expect(refused.map(({ index, reason }) => [index, reason])).toEqual([
        [0, 'conflict: a row with the key a is there with another name, config'],
        [4, 'conflict: a row with the key c is there with another name'],
        [5, expect.stringContaining('agents_status_check')],
      ]);
      expect(last).toContain(counts(8, 2, 3, 3));
      expect((await stored('agents', id, 'id, name')).map(({ name }) => name)).toEqual(['A', 'B', 'C', 'D']);
    });

    it('stores points of any time, equal ones as often as they come, and none again', async () => {
      const { id, run } = await bench.tenant();
      const point = (fields: object = {}) => ({
        service_name: 's',
        metric_name: 'm',
        value: 1.5,
        tags: { host: 'h' },
        timestamp: '2021-03-04T05:06:07Z',
        ...fields,
      });
      const first = await bench.folder({
        'metrics.jsonl': lines(
          point(),
          point(),
          point({ value: 2 }),
          point({ timestamp: '2023-01-01T00:00:00.000001+01:00', id: 7, tenant_id: id }),
          point({ timestamp: '1999-01-01T00:00:00Z' }),
          point({ value: 'NaN' }),
        ),
      });
      const run1 = await run(first);
      expect(run1.refused.map(({ index, reason }) => [index, reason])).toEqual([
        [4, expect.stringMatching(/no partition|older/)],
        [5, expect.stringContaining('metrics_value_check')],
      ]);
      expect(run1.last).toContain(counts(6, 4, 0, 2));
      expect(run1.text).toContain('left out are columns that only the database writes: id');
      expect((await run(first)).last).toContain(counts(6, 0, 4, 2));
      const more = await bench.folder({
        'metrics.jsonl': lines(point(), point(), point(), point({ value: 3 })),
      });
      expect((await run(more)).last).toContain(counts(4, 2, 2, 0));
      expect(
        await bench.rows(
          'select value, count(*)::int as n from app_public.metrics where tenant_id = $1 group by 1 order by 1',
          id,
        ),
      ).toEqual([
        { value: 1.5, n: 4 },
        { value: 2, n: 1 },
        { value: 3, n: 1 },
      ]);
    });

    it('loads tables in the order in which they refer to each other, in one transaction each', async () => {
      const { id, run } = await bench.tenant();
      const folder = await bench.folder({
        'knowledge.jsonl': lines({ id: 'k', content: 'c', agent_id: 'a' }),
        'threads.jsonl': lines({ id: uuid(9), title: 't', task_id: uuid(1) }),
        'tasks.jsonl': lines({ id: uuid(1), description: 'd', agent_id: 'a' }),
        'agents.jsonl': agents,
      });
      expect((await run(folder)).last).toContain(`in all: ${counts(5, 5, 0, 0)}`);
      expect(await stored('threads', id, 'task_id')).toEqual([{ task_id: uuid(1) }]);
    });

    it('takes standard input, patterns, and the table from --table', async () => {
      const { run } = await bench.tenant();
      const folder = await bench.folder({
        'dump-1.jsonl': lines({ id: 'a', name: 'A', model: 'm' }),
        'dump-2.jsonl': lines({ id: 'b', name: 'B', model: 'm' }),
        'other.txt': 'x',
      });
      expect((await run(path.join(folder, 'dump-*.jsonl'), { table: 'agents' })).last).toContain(
        `in all: ${counts(2, 2, 0, 0)}`,
      );
      const input = gzipSync(lines({ id: 'b', name: 'B', model: 'm' }, { id: 'c', name: 'C', model: 'm' }));
      expect((await run('-', { table: 'app_public.agents', input })).last).toContain(
        `in all: ${counts(2, 1, 1, 0)}`,
      );
    });

    it('says in a plan what each file is, and changes nothing', async () => {
      const { id, plan } = await bench.tenant();
      const folder = await bench.folder({
        'agents.jsonl.gz': gzipSync(agents),
        'tasks.csv': 'id,description,queue_at\n',
        'inner/agents.jsonl': agents,
      });
      expect((await plan(folder)).split('\n')).toEqual([
        `${folder}/agents.jsonl.gz: 1 file; 2 read for app_public.agents, of which 0 cannot be stored`,
        `${folder}/agents.jsonl.gz: JSON Lines, gzip, with the columns id, name, model, config, status, created_at`,
        `${folder}/tasks.csv: 1 file; 0 read for app_public.tasks, of which 0 cannot be stored`,
        `${folder}/tasks.csv: CSV, with the columns id, description, queue_at`,
        `${folder}/tasks.csv: left out are columns that only the database writes: queue_at`,
        `left out, because they are not stores to import: ${folder}/inner`,
        expect.stringContaining('this is the plan, and nothing was changed'),
      ]);
      expect(await stored('agents', id)).toEqual([]);
    });

    it.each([
      [
        'agents.jsonl',
        lines({ id: 'a', nme: 'A', model: 'm' }),
        /has the column nme, which the table does not have; known are id, name, model/,
      ],
      ['agents.jsonl', lines({ name: 'A', model: 'm' }), /has no column id, by which a row is known again/],
      ['metrics.csv', 'service_name,metric_name,value\ns,m,1\n', /has no column timestamp/],
      ['agents.csv', 'id,id,name\n', /has the column id twice/],
      ['agent.jsonl', agents, /there is no table agent; name the file after one, or give --table: agents, /],
      ['messages.jsonl', lines({ id: 'a' }), /rows of messages are not imported: append_messages adds/],
      ['tenants.csv', 'id,name\n', /not imported: lightning tenant create makes tenants/],
      ['workflow_steps.csv', 'key\n', /not imported: only the database itself writes it/],
      [
        'agents.pkl',
        Buffer.from([0x80, 4, 0x95, 0, 0, 0, 0]),
        /a Python pickle, which is never loaded; expected rows/,
      ],
      ['agents.sh', '#!/bin/sh\nrm -rf /\n', /a script, which is never run/],
      ['agents.db', Buffer.from('SQLite format 3\0 and so on'), /a database of SQLite/],
      ['agents.json', '{\n  "id": "a"\n}\n', /one JSON object over several lines/],
      ['agents.txt', 'Dear reader,\nthis is prose.\n', /a text of another kind/],
      ['agents.jsonl', gzipSync(gzipSync(agents)), /not text, compressed with gzip/],
    ])('refuses %s by name before anything is changed (%#)', async (name, content, reason) => {
      const { id, run } = await bench.tenant();
      const folder = await bench.folder({ 'agents-good.jsonl': agents, [name]: content });
      const problem = run([path.join(folder, name)]);
      await expect(problem).rejects.toThrow(reason);
      await expect(problem).rejects.toThrow(name);
      expect(await stored('agents', id)).toEqual([]);
    });
  });
}
