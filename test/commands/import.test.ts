import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importCommand } from '../../src/commands/import.ts';
import { sha256 } from '../../src/import/sha256.ts';
import { stores } from '../../src/import/stores.ts';
import { onEmbedded, onServer } from '../import/import-target.ts';
import type { ImportTarget } from '../import/import-target.ts';
import { noServer } from '../support/server.ts';
import { installationIn } from '../support/installation.ts';

/** The sample is beside the project on some machines only; the generated folders prove the same without it. */
const sample = fileURLToPath(new URL('../../../shared/data/legacy', import.meta.url));

const item = (id: string, fields: object = {}) => ({
  id,
  category: 'notes',
  content: `content of ${id}`,
  source: 'test',
  timestamp: '2025-09-02T14:30:50.123456',
  metadata: {},
  usage_count: 0,
  relevance_score: 1,
  ...fields,
});

const targets = [
  { on: 'a server', make: onServer, without: noServer },
  { on: 'the embedded database', make: onEmbedded, without: false },
];

for (const { on, make, without } of targets) {
  // Without a server the run says so at its start and its end.
  describe.skipIf(without)(`an import on ${on}`, () => {
    let target: ImportTarget;
    let scratch: string;
    let tenants = 0;

    beforeAll(async () => {
      scratch = await mkdtemp(path.join(tmpdir(), 'lt-legacy-'));
      target = await make();
    }, 180_000);
    afterAll(async () => {
      await target?.close();
      await rm(scratch, { recursive: true, force: true });
    }, 60_000);

    const rows = async (text: string, ...values: unknown[]) => (await target.admin.query(text, values)).rows;

    /** A new tenant for the test, and a way to import into it. */
    const tenant = async () => {
      tenants += 1;
      const id = `tenant_${tenants}`;
      await rows('insert into app_public.tenants (id, name) values ($1, $1)', id);
      const quarantineFile = path.join(scratch, id, 'quarantine.jsonl');
      const run = async (folder: string, createMissingAgents = false, tenantId = id) => {
        const [out, progress] = [new PassThrough(), new PassThrough()];
        const status = await importCommand({
          installation: installationIn(target.database),
          folder,
          tenantId,
          createMissingAgents,
          quarantineFile,
          reportFile: null,
          out,
          progress,
        });
        const text = String(out.read());
        return { status, text, last: text.trimEnd().split('\n').at(-1) };
      };
      const quarantine = async () =>
        existsSync(quarantineFile)
          ? (await readFile(quarantineFile, 'utf8'))
              .trimEnd()
              .split('\n')
              .map((line) => JSON.parse(line) as Record<string, unknown>)
          : [];
      const knowledge = () =>
        rows('select * from app_public.knowledge where tenant_id = $1 order by id collate "C"', id);
      const audit = async () =>
        (await rows('select count(*)::int as n from audit.log where tenant_id = $1', id))[0].n;
      return { id, run, quarantine, quarantineFile, knowledge, audit };
    };

    /** Writes a legacy folder. Strings are written as they are, everything else as JSON. */
    const legacy = async (files: Record<string, unknown>) => {
      const folder = await mkdtemp(path.join(scratch, 'folder-'));
      for (const [name, content] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
        const text =
          typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content);
        await writeFile(path.join(folder, name), text);
      }
      return folder;
    };
    const agent = (name: string) => ({
      [`.agent-configs/${name}.json`]: { name, role: 'custom', model: 'm' },
    });

    it('stores agents and knowledge to the last digit, as the tenant, with times at UTC+02:00', async () => {
      const { id, run, knowledge } = await tenant();
      const content = `tab\t newline\r\n backslash \\N \\. quote " emoji 😀 ${'x'.repeat(70_000)}`;
      const config = {
        name: 'a',
        role: 'planner',
        model: 'm',
        max_tokens: 1,
        exact: { n: [1, 'x'] },
        system_prompt: '',
      };
      const folder = await legacy({
        '.agent-configs/a.json': JSON.stringify(config).replace(
          '"max_tokens":1',
          '"max_tokens":12345678901234567890',
        ),
        '.agent-knowledge/a.json': [
          item('one', { content, source: 's'.repeat(3_483), metadata: { m: 1 }, extra: 'kept' }),
        ],
      });
      expect(await run(folder)).toMatchObject({
        status: 0,
        last:
          'agents: read 1 = stored 1 + already there 0 + quarantined 0; knowledge: read 1 = stored 1 + already there 0 + quarantined 0; ' +
          'in all: read 2 = stored 2 + already there 0 + quarantined 0',
      });
      const [stored] = await knowledge();
      expect(sha256(stored.content)).toBe(sha256(content));
      expect(stored).toMatchObject({
        id: 'one',
        agent_id: 'a',
        source: 's'.repeat(3_483),
        embedding: null,
        created_at: new Date('2025-09-02T12:30:50.123Z'),
        metadata: {
          m: 1,
          legacy: { id: 'one', others: { extra: 'kept' }, identity: expect.stringMatching(/^[0-9a-f]{64}$/) },
        },
      });
      const [made] = await rows(
        `select name, model, specialization, status, config ->> 'max_tokens' as digits,
          config - 'max_tokens' as config from app_public.agents where tenant_id = $1`,
        id,
      );
      const { name, model, max_tokens, ...kept } = config;
      expect([name, model, max_tokens]).toEqual([made.name, made.model, 1]);
      expect(made).toMatchObject({
        specialization: 'planner',
        status: 'idle',
        digits: '12345678901234567890',
        config: kept,
      });
    });

    it('can be run again, without a change to the rows or the audit log', async () => {
      const { run, knowledge, audit } = await tenant();
      const folder = await legacy({
        ...agent('a'),
        '.agent-knowledge/a.json': [item('x'), item('x'), item('y')],
      });
      await run(folder);
      const [before, logged] = [await knowledge(), await audit()];
      expect(before).toHaveLength(3);
      expect(logged).toBeGreaterThan(0);
      const again = await run(folder);
      expect(again.text).toContain('knowledge: 1 file; 0 rows are new, 3 existed already');
      expect(await knowledge()).toEqual(before);
      expect(await audit()).toBe(logged);
    });

    it('keeps items with the same id apart, and recognises them in any order of items and files', async () => {
      const files = {
        a: [item('x', { source: '1' }), item('x', { source: '2' }), item('x', { source: '2' })],
        b: [item('x', { source: '1' }), item('z')],
      };
      const agents = { ...agent('a'), ...agent('b') };
      const whole = await legacy({
        ...agents,
        '.agent-knowledge/a.json': files.a,
        '.agent-knowledge/b.json': files.b,
      });
      const turned = await legacy({
        ...agents,
        '.agent-knowledge/a.json': files.a.toReversed(),
        '.agent-knowledge/b.json': files.b,
      });
      const onlyA = await legacy({ ...agents, '.agent-knowledge/a.json': files.a });
      const onlyB = await legacy({ ...agents, '.agent-knowledge/b.json': files.b });
      const sequences = [
        [whole, turned, onlyA, onlyB],
        [onlyA, onlyB, whole, turned],
        [onlyB, onlyA, turned],
      ];
      for (const sequence of sequences) {
        const { run, knowledge } = await tenant();
        for (const folder of sequence) expect((await run(folder)).status).toBe(0);
        const stored = await knowledge();
        expect(stored.map((row) => row.metadata.legacy.id)).toEqual(['x', 'x', 'x', 'x', 'z']);
        expect(stored.filter(({ id }) => id === 'x')).toHaveLength(1);
        expect(stored.map((row) => `${row.agent_id} ${row.source}`).sort()).toEqual([
          'a 1',
          'a 2',
          'a 2',
          'b 1',
          'b test',
        ]);
      }
    });

    it('leaves alone rows that have changed since, and says so', async () => {
      const { id, run, knowledge, audit } = await tenant();
      const folder = await legacy({ ...agent('a'), '.agent-knowledge/a.json': [item('x'), item('y')] });
      await run(folder);
      await rows("update app_public.knowledge set content = 'edited' where tenant_id = $1 and id = 'x'", id);
      // A user has removed the metadata by which the row is recognised.
      await rows("update app_public.knowledge set metadata = '{}' where tenant_id = $1 and id = 'y'", id);
      const [before, logged] = [await knowledge(), await audit()];
      const again = await run(folder);
      expect(again.status).toBe(0);
      expect(again.text).toContain(
        '2 existing rows differ from the files and were left alone: x (content), y (metadata)',
      );
      expect(await knowledge()).toEqual(before);
      expect(await audit()).toBe(logged);
    });

    it('gives an item its derived id when another row already has the plain one', async () => {
      const { id, run, knowledge } = await tenant();
      await rows("insert into app_public.knowledge (tenant_id, id, content) values ($1, 'x', 'mine')", id);
      const folder = await legacy({ ...agent('a'), '.agent-knowledge/a.json': [item('x')] });
      expect((await run(folder)).last).toContain('knowledge: read 1 = stored 1 + already there 0');
      expect((await run(folder)).last).toContain('knowledge: read 1 = stored 0 + already there 1');
      expect((await knowledge()).map((row) => row.content)).toEqual(['mine', 'content of x']);
    });

    it('quarantines items that cannot be stored, unchanged and with the reason, and loses nothing else', async () => {
      const { run, quarantine, knowledge } = await tenant();
      const bad = [
        item('i'.repeat(101)),
        item('time', { timestamp: 'soon' }),
        item('type', { usage_count: 'many' }),
        'no object',
      ];
      const text = JSON.stringify([item('good'), ...bad, item('last')]);
      const folder = await legacy({
        ...agent('a'),
        '.agent-configs/broken.json': '{"name": ',
        '.agent-configs/notes.txt': 'left out',
        '.agent-knowledge/a.json': text.replace(
          '"no object"',
          '"no object",{"id":"nan","relevance_score":NaN}',
        ),
        '.agent-knowledge/bytes.json': Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]),
      });
      const { status, text: report, last } = await run(folder);
      expect(status).toBe(0);
      expect(last).toContain(
        'agents: read 2 = stored 1 + already there 0 + quarantined 1; knowledge: read 8 = stored 2 + already there 0 + quarantined 6;',
      );
      expect(report).toContain('left out, because they are not stores to import: .agent-configs/notes.txt');
      expect((await knowledge()).map((row) => row.id)).toEqual(['good', 'last']);
      const lines = await quarantine();
      expect(lines.map(({ file, index }) => `${String(file)} ${String(index)}`)).toEqual([
        '.agent-configs/broken.json null',
        ...[1, 2, 3, 4, 5].map((i) => `.agent-knowledge/a.json ${i}`),
        '.agent-knowledge/bytes.json 0',
      ]);
      expect(lines.slice(1, 5).map((line) => line['item'])).toEqual(bad);
      expect(lines[5]).toMatchObject({
        text: '{"id":"nan","relevance_score":NaN}',
        reason: expect.stringMatching(/missing/),
      });
      expect(lines[6]).toMatchObject({ base64: Buffer.from([0x22, 0xff, 0x22]).toString('base64') });
      expect(lines.every(({ reason }) => typeof reason === 'string' && reason !== '')).toBe(true);
    });

    it('stores what Postgres cannot hold with a mark, as the API does', async () => {
      const { run, knowledge } = await tenant();
      const text = JSON.stringify([item('x', { content: 'a\0b \ud800', metadata: { 'k\0': 'NUMBER' } })]);
      const folder = await legacy({
        ...agent('a'),
        '.agent-knowledge/a.json': text.replace('"NUMBER"', '[NaN,-Infinity,1e400]'),
      });
      for (const terms of ['stored 1 + already there 0', 'stored 0 + already there 1'])
        expect((await run(folder)).last).toContain(`knowledge: read 1 = ${terms} + quarantined 0`);
      expect(await knowledge()).toMatchObject([
        { content: 'a\uFFFDb \uFFFD', metadata: { 'k\uFFFD': ['NaN', '-Infinity', expect.anything()] } },
      ]);
    });

    it('loses no other row when Postgres refuses one, and gives the reason', async () => {
      const { run, quarantine, knowledge } = await tenant();
      await rows("alter table app_public.knowledge add constraint no_seven check (content <> 'seven')");
      try {
        const items = Array.from({ length: 1_500 }, (_, i) =>
          item(`i${i}`, i % 700 === 7 ? { content: 'seven' } : {}),
        );
        const folder = await legacy({ ...agent('a'), '.agent-knowledge/a.json': items });
        expect((await run(folder)).last).toContain(
          'knowledge: read 1500 = stored 1497 + already there 0 + quarantined 3',
        );
        expect(await knowledge()).toHaveLength(1_497);
        const lines = await quarantine();
        expect(lines.map(({ index }) => index)).toEqual([7, 707, 1407]);
        expect(lines[0]?.['reason']).toContain('no_seven');
      } finally {
        await rows('alter table app_public.knowledge drop constraint no_seven');
      }
    });

    it('rolls the file back after any other failure, and keeps the files before it', async () => {
      const { id, run, knowledge } = await tenant();
      await rows(`create function public.cut() returns trigger language plpgsql as $$
        begin raise exception 'out of everything' using errcode = '53000'; end $$`);
      await rows(`create trigger cut before insert on app_public.knowledge for each row
        when (new.id = 'fatal') execute function public.cut()`);
      try {
        const folder = await legacy({
          ...agent('a'),
          ...agent('b'),
          '.agent-knowledge/a.json': [item('x')],
          '.agent-knowledge/b.json': [item('y'), item('fatal')],
        });
        await expect(run(folder)).rejects.toThrow('out of everything');
        expect((await knowledge()).map((row) => row.id)).toEqual(['x']);
      } finally {
        await rows('drop trigger cut on app_public.knowledge');
        await rows('drop function public.cut()');
      }
      expect(await rows('select id from app_public.agents where tenant_id = $1', id)).toHaveLength(2);
    });

    /** Runs `work` while a trigger on knowledge acts in a way that only a fault would. */
    const withTrigger = async (head: string, body: string, work: () => Promise<void>) => {
      await rows(`create function public.fault() returns trigger language plpgsql security definer as $$
        begin ${body} end $$`);
      await rows(`create ${head} execute function public.fault()`);
      try {
        await work();
      } finally {
        await rows('drop trigger fault on app_public.knowledge');
        await rows('drop function public.fault()');
      }
    };

    it('exits with 1 and says so when rows differ after the commit', async () => {
      const deferred =
        'constraint trigger fault after insert on app_public.knowledge deferrable initially deferred for each row';
      const at = 'where tenant_id = new.tenant_id and id = new.id';
      const folder = await legacy({ ...agent('a'), '.agent-knowledge/a.json': [item('x')] });
      await withTrigger(
        deferred,
        `update app_public.knowledge set content = 'bent' ${at}; return null;`,
        async () => {
          const { run, knowledge } = await tenant();
          const { status, text } = await run(folder);
          expect((await knowledge())[0].content).toBe('bent');
          expect(text).toContain('ERROR: 1 stored rows have other hashes than the files: x');
          expect(status).toBe(1);
        },
      );
      await withTrigger(deferred, `delete from app_public.knowledge ${at}; return null;`, async () => {
        const { run } = await tenant();
        const { status, last } = await run(folder);
        expect(last).toContain(
          'knowledge: ERROR: read 1, but stored 0 + already there 0 + quarantined 0 = 0',
        );
        expect(status).toBe(1);
      });
    });

    it('does not commit a row that the table stored differently, and quarantines one that it dropped', async () => {
      const before = 'trigger fault before insert on app_public.knowledge for each row';
      const folder = await legacy({ ...agent('a'), '.agent-knowledge/a.json': [item('x'), item('y')] });
      const { run, knowledge, quarantine } = await tenant();
      await withTrigger(before, `new.content := 'bent'; return new;`, async () => {
        await expect(run(folder)).rejects.toThrow('x was stored, but differs from the file in content');
        expect(await knowledge()).toEqual([]);
      });
      await withTrigger(before, `if new.id like 'x%' then return null; end if; return new;`, async () => {
        expect((await run(folder)).last).toContain(
          'knowledge: read 2 = stored 1 + already there 0 + quarantined 1',
        );
        expect((await quarantine())[0]?.['reason']).toContain('a trigger drops it');
      });
    });

    it('quarantines knowledge whose agent is undefined, or creates the agent on request', async () => {
      const { id, run, quarantine, knowledge, quarantineFile } = await tenant();
      const folder = await legacy({
        ...agent('a'),
        '.agent-knowledge/a.json': [item('x')],
        '.agent-knowledge/ghost.json': [item('x'), item('g')],
      });
      expect((await run(folder)).last).toContain(
        'knowledge: read 3 = stored 1 + already there 0 + quarantined 2',
      );
      expect((await quarantine()).map(({ reason }) => reason)).toEqual(
        Array(2).fill('its agent "ghost" has no definition, neither in the folder nor in the database'),
      );
      await rm(quarantineFile);
      const { last, text } = await run(folder, true);
      expect(last).toContain('knowledge: read 3 = stored 2 + already there 1 + quarantined 0');
      expect(text).toContain('made agents that had no definition: ghost');
      expect(existsSync(quarantineFile)).toBe(false);
      expect((await knowledge()).map((row) => row.metadata.legacy.id).sort()).toEqual(['g', 'x', 'x']);
      expect(
        await rows(
          "select name, model, config from app_public.agents where tenant_id = $1 and id = 'ghost'",
          id,
        ),
      ).toEqual([{ name: 'ghost', model: 'unknown', config: { created_by: 'import' } }]);
      // The definition may also exist only in the database.
      const alone = await legacy({ '.agent-knowledge/ghost.json': [item('more')] });
      expect((await run(alone)).last).toBe(
        'knowledge: read 1 = stored 1 + already there 0 + quarantined 0; in all: read 1 = stored 1 + already there 0 + quarantined 0',
      );
    });

    it('does not reach another tenant, although both have the same ids', async () => {
      const [one, two] = [await tenant(), await tenant()];
      const folder = await legacy({ ...agent('a'), '.agent-knowledge/a.json': [item('x')] });
      await one.run(folder);
      const before = await one.knowledge();
      expect((await two.run(folder)).text).toContain('knowledge: 1 file; 1 rows are new');
      expect(await one.knowledge()).toEqual(before);
      expect((await two.knowledge()).map((row) => row.id)).toEqual(['x']);
    });

    it('leaves the connection without a role, a tenant or a temporary table', async () => {
      const { run } = await tenant();
      await run(await legacy({ ...agent('a') }));
      const { rows: found } = await target.database.query({
        text: `select current_user = session_user as itself, coalesce(current_setting('app.tenant_id', true), '') as tenant,
          to_regclass('pg_temp.import_rows') as staged`,
      });
      expect(found).toEqual([{ itself: true, tenant: '', staged: null }]);
    });

    it('refuses a folder that is missing, not a folder, empty or without legacy files, and an unknown tenant', async () => {
      const { run } = await tenant();
      const places = [...new Set(stores.map(({ looksFor }) => looksFor))];
      const wanted = `${places.join(' and ')}, or the manifest of an export`;
      await expect(run(path.join(scratch, 'nowhere'))).rejects.toThrow(
        `nowhere does not exist; expected a folder with ${wanted}`,
      );
      const file = path.join(await legacy({ file: 'x' }), 'file');
      await expect(run(file)).rejects.toThrow('is not a folder');
      await expect(run(await legacy({}))).rejects.toThrow(`looked for ${wanted}; it is empty`);
      await expect(run(await legacy({ 'other.txt': 'x' }))).rejects.toThrow('it has other.txt');
      await expect(run(await legacy(agent('a')), false, 'nobody')).rejects.toThrow(
        'tenant "nobody" does not exist',
      );
    });

    // The sample is not part of the project: where it is missing, the generated folders above stand in for it.
    it.skipIf(!existsSync(sample))(
      'stores the sample: 11 agents and 713 of 724 items, or 12 agents and all items; a second run changes nothing',
      async () => {
        const { id, run, knowledge, quarantine, audit } = await tenant();
        const folder = await mkdtemp(path.join(scratch, 'sample-'));
        for (const name of ['.agent-configs', '.agent-knowledge'])
          await cp(path.join(sample, name), path.join(folder, name), { recursive: true });
        const agents = async () =>
          (await rows('select from app_public.agents where tenant_id = $1', id)).length;
        expect((await run(folder)).last).toBe(
          'agents: read 11 = stored 11 + already there 0 + quarantined 0; ' +
            'knowledge: read 724 = stored 713 + already there 0 + quarantined 11; ' +
            'in all: read 735 = stored 724 + already there 0 + quarantined 11',
        );
        expect([await agents(), (await knowledge()).length, (await quarantine()).length]).toEqual([
          11, 713, 11,
        ]);
        expect((await run(folder, true)).last).toContain(
          'knowledge: read 724 = stored 11 + already there 713 + quarantined 0',
        );
        const [stored, logged] = [await knowledge(), await audit()];
        expect([await agents(), stored.length]).toEqual([12, 724]);
        expect((await run(folder, true)).text).toContain(
          'knowledge: 4 files; 0 rows are new, 724 existed already',
        );
        expect(await knowledge()).toEqual(stored);
        expect(await audit()).toBe(logged);

        const inFiles: string[] = [];
        for (const file of await readdir(path.join(sample, '.agent-knowledge'))) {
          const items = JSON.parse(await readFile(path.join(sample, '.agent-knowledge', file), 'utf8')) as {
            content: string;
            source: string;
          }[];
          inFiles.push(...items.map(({ content, source }) => sha256(`${content}\0${source}`)));
        }
        expect(stored.map(({ content, source }) => sha256(`${content}\0${source}`)).sort()).toEqual(
          inFiles.sort(),
        );
        expect(Math.max(...stored.map(({ content }) => Buffer.byteLength(content)))).toBeGreaterThan(68_000);
        expect(stored.some(({ source }) => [...source].length === 3_483)).toBe(true);
      },
    );
  });
}
