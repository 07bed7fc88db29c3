import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { verifyRows } from '../../src/audit/verify-rows.ts';
import { asOwner } from '../../src/db/installation.ts';
import { loadExport } from '../../src/export/load-export.ts';
import { openExport } from '../../src/export/open-export.ts';
import { installationIn } from '../support/installation.ts';
import type { Manifest } from '../../src/export/manifest.ts';
import { blocksOf } from '../support/doc-blocks.ts';
import { sealAll } from '../support/seal-all.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';
import { fillTables } from '../support/two-tenants.ts';
import { carriedDatabase, digestsOf, makeExtremes } from './carried-database.ts';
import { changeManifest, forge, madeExport, noKeys } from './made-export.ts';
import type { CarriedDatabase, Exported } from './carried-database.ts';

describe.skipIf(noServer)('an export', { timeout: 120_000 }, () => {
  const open: CarriedDatabase[] = [];
  const database = async (kind: 'embedded' | 'server'): Promise<CarriedDatabase> => {
    const made = await carriedDatabase(kind);
    open.push(made);
    return made;
  };
  let source: CarriedDatabase;
  let whole: Exported;

  beforeAll(async () => {
    source = await database('server');
    const api = serverDatabase(source.env['DATABASE_URL']!);
    await fillTables(source.admin, api);
    await api.close();
    await makeExtremes(source.admin, true);
    // What an operator chose, a partition of long ago, and a sequence that has moved on.
    await source.admin.query(`
      update ops.retention_policies set keep = '10 years' where policy = 'tasks';
      select app_private.create_partition('app_public.metrics', 'metrics_p20200102', '2020-01-02Z', '2020-01-03Z');
      insert into app_public.metrics (tenant_id, service_name, metric_name, value, timestamp) values ('acme', 's', 'old', 1e300, '2020-01-02 01:00Z');
      select setval('app_private.fencing_tokens', 4711);`);
    whole = await source.exported();
  }, 180_000);
  afterAll(async () => {
    for (const each of open) await each.close();
  });

  test('goes from a server to an embedded database and back to a server, with equal hashes for every table', async () => {
    expect(whole.manifest.tables.filter(({ rows }) => rows === 0)).toEqual([]);
    let from = whole;
    for (const kind of ['embedded', 'server'] as const) {
      const target = await database(kind);
      await makeExtremes(target.admin, false);
      const ended = await target.lightning('import', from.folder);
      expect(ended.status, ended.stderr).toBe(0);
      from = await target.exported();
      expect(digestsOf(from.manifest)).toEqual(digestsOf(whole.manifest));
    }
  });

  test('keeps texts and nulls that are JSON apart from those that are not', async () => {
    const values = ['"a \\"word\\""', '"null"', '"12"', '12', 'null', '"{}"', '{}'];
    const from = await database('embedded');
    for (const [i, value] of values.entries())
      await from.admin.query(
        `insert into app_public.knowledge (tenant_id, id, content, metadata) values ('default', $1, 'c', $2::jsonb)`,
        [`k${i}`, value],
      );
    const target = await database('server');
    const ended = await target.lightning('import', (await from.exported()).folder);
    expect(ended.status, ended.stderr).toBe(0);
    const { rows } = await target.admin.query(
      'select metadata::text as value from app_public.knowledge order by id',
    );
    expect(rows.map(({ value }) => value)).toEqual(values);
  });

  test('is imported by the line of docs/export.md', async () => {
    const [line = ''] = (await blocksOf('docs/export.md'))
      .filter(({ mark }) => mark?.kind === 'run by' && mark.file === 'test/export/load-export.test.ts')
      .map(({ code }) => code);
    const target = await database('server');
    await makeExtremes(target.admin, false);
    const [program, ...argv] = line.trim().split(' ');
    expect(program).toBe('lightning');
    const ended = await target.lightning(...argv.map((arg) => (arg === 'everything' ? whole.folder : arg)));
    expect(ended.status, ended.stderr).toBe(0);
    expect(ended.stdout).toMatch(/imported \d+ rows of \d+ tables from .*; each is what the export has\n$/);
  });

  test('keeps what was given by the database: numbers, moments, generated columns, and goes on behind them', async () => {
    const target = await database('server');
    await makeExtremes(target.admin, false);
    expect((await target.lightning('import', whole.folder)).status).toBe(0);
    const read = async ({ admin }: CarriedDatabase) => {
      const { rows } = await admin.query(`
        select name, number, doubled, updated_at::text, t, ia[-2]::text as first from app_public.extremes
        where name <> 'new' order by name collate "C"`);
      return rows;
    };
    expect(await read(target)).toEqual(await read(source));
    const { rows } = await target.admin.query(`
      insert into app_public.extremes (tenant_id, name) values ('acme', 'new')
      returning t, number > (select max(number) from app_public.extremes) as behind, nextval('app_private.fencing_tokens') as token`);
    expect(rows).toEqual([{ t: 'changed', behind: true, token: '4712' }]);
    const { rows: guards } = await target.admin.query(`
      select c.relname from pg_class c left join pg_trigger t on t.tgrelid = c.oid and t.tgenabled <> 'O'
      where c.relnamespace in ('app_public'::regnamespace, 'app_private'::regnamespace, 'ops'::regnamespace)
        and c.relkind in ('r', 'p') and (not c.relforcerowsecurity or t.oid is not null)`);
    expect(guards, 'policies and triggers are as before').toEqual([]);
    const { rows: policies } = await target.admin.query(
      `select keep::text from ops.retention_policies where policy = 'tasks'`,
    );
    expect(policies).toEqual([{ keep: '10 years' }]);
  });

  test('that has to wait for a table for longer than ten seconds says which, and changes nothing', async () => {
    const target = await database('server');
    await makeExtremes(target.admin, false);
    await target.admin.query('begin; lock table app_public.agents in share mode');
    const ended = await target.lightning('import', whole.folder);
    await target.admin.query('rollback');
    expect(ended).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /other transactions keep "app_public"\."agents" from being loaded; try again/,
      ),
    });
    expect((await target.lightning('import', whole.folder)).status).toBe(0);
  });

  test('is recorded in the audit log as an import, and each row that came as an insert', async () => {
    const target = open.at(-1)!;
    const { rows } = await target.admin.query(`
      select operation, table_name, new_values, login from audit.log where operation = 'import'`);
    expect(rows).toEqual([
      {
        operation: 'import',
        table_name: whole.manifest.id,
        login: new URL(target.env['MIGRATE_DATABASE_URL']!).username,
        new_values: expect.objectContaining({
          exported_at: whole.manifest.at,
          tables: expect.objectContaining({ 'app_public.agents': expect.objectContaining({ rows: 6 }) }),
        }),
      },
    ]);
    const { rows: inserts } = await target.admin.query(
      `select count(*)::integer as n from audit.log where table_name = 'app_public.agents' and operation = 'insert'`,
    );
    expect(inserts).toEqual([{ n: 6 }]);
    const { rows: compared, differences } = await verifyRows(clientExecutor(target.admin));
    // A json column with \\u0000 cannot be compared with the log, wherever its row came from.
    const others = differences.filter(({ table }) => table !== 'app_public.extremes');
    expect({ others, some: compared > 50 }).toEqual({ others: [], some: true });
  });

  test('of the first tenant takes the place of the one that every database has, once', async () => {
    await source.admin.query(
      `insert into app_public.agents (tenant_id, id, name, model) values ('default', 'one', 'One', 'm')`,
    );
    const made = await source.exported('--tenant', 'default');
    const target = await database('server');
    await makeExtremes(target.admin, false);
    const ended = await target.lightning('import', made.folder);
    expect(ended.status, ended.stderr).toBe(0);
    expect(digestsOf((await target.exported('--tenant', 'default')).manifest)).toEqual(
      digestsOf(made.manifest),
    );
    expect(await target.lightning('import', made.folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('has rows of the tenant default already'),
    });
    await source.admin.query(`delete from app_public.agents where tenant_id = 'default'`);
  });

  test('of everything is refused by a database with data, which stays as it was', async () => {
    const target = open.at(-1)!;
    const before = digestsOf((await target.exported()).manifest);
    expect(await target.lightning('import', whole.folder)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /app_\w+\.\w+ has rows already: an export is loaded into a database without data of its tenants/,
      ),
    });
    expect(digestsOf((await target.exported()).manifest)).toEqual(before);
  });

  test('of one tenant goes beside others and touches nothing of theirs', async () => {
    const one = await source.exported('--tenant', 'acme', '--compress', 'zstd');
    for (const kind of ['server', 'embedded'] as const) {
      const target = await database(kind);
      await makeExtremes(target.admin, false);
      const rival = await target.lightning('import', (await source.exported('--tenant', 'rival')).folder);
      expect(rival.status, rival.stderr).toBe(0);
      const before = digestsOf((await target.exported()).manifest);
      const ended = await target.lightning('import', one.folder);
      expect(ended.status, ended.stderr).toBe(0);
      expect(digestsOf((await target.exported('--tenant', 'acme')).manifest)).toEqual(
        digestsOf(one.manifest),
      );
      expect(await target.lightning('import', one.folder)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('tenant acme exists already'),
      });
      // Without the tenant's rows, it is the database of before.
      await target.admin.query('set session_replication_role = replica');
      for (const { table } of one.manifest.tables) {
        await target.admin.query(
          `delete from ${table} where ${table.endsWith('.tenants') ? 'id' : 'tenant_id'} = 'acme'`,
        );
      }
      await target.admin.query('reset session_replication_role');
      expect(digestsOf((await target.exported()).manifest)).toEqual(before);
    }
  });

  test('with rows that the database cannot take leaves it as it was, and says which table', async () => {
    const says = (change: (manifest: Manifest) => unknown) => (folder: string) =>
      changeManifest(folder, change);
    const ofAgents = (columns: readonly string[]) =>
      says((manifest) => ({
        ...manifest,
        tables: manifest.tables.map((table) =>
          table.table === 'app_public.agents' ? { ...table, columns } : table,
        ),
      }));
    const rows = (line: string) => (folder: string) =>
      forge(folder, 'app_public.agents', Buffer.from(`${line}\n`), {
        rows: 1,
        bytes: line.length + 1,
        sha256: createHash('sha256').update(`${line}\n`).digest('hex'),
      });
    const cases: [change: (folder: string) => Promise<void>, says: RegExp][] = [
      [
        says((manifest) => ({ ...manifest, migrations: [{ filename: '999999.sql', hash: 'x' }] })),
        /the export has a newer schema: the database lacks 999999\.sql; import it with the release that wrote it/,
      ],
      [
        says((manifest) => ({ ...manifest, migrations: [{ filename: '000001.sql', hash: 'x' }] })),
        /made with another migration 000001\.sql than the database/,
      ],
      [
        ofAgents(['tenant_id', 'id', 'name']),
        /line 1 of app_public\.agents is not a row: expected \} behind the column name/,
      ],
      [
        ofAgents(['tenant_id', 'id', 'name', 'motto']),
        /has the column motto of app_public\.agents, and the database does not/,
      ],
      [ofAgents(['tenant_id', 'id', 'id']), /has the column id of app_public\.agents twice/],
      [
        says((manifest) => ({ ...manifest, sequences: { 'app_public.other': '1' } })),
        /the export has the sequence app_public\.other, and the database does not/,
      ],
      [
        says((manifest) => ({ ...manifest, tenant: 'other' })),
        /app_public\.tenants would have other rows than the export: 0 were read back, and the export has 1/,
      ],
      [
        rows('{"tenant_id":"nobody","id":"one","name":"One","model":"m"}'),
        /does not take the rows of app_public\.agents: .*foreign key.*\(23503; Key .* is not present/,
      ],
      [
        rows('{"tenant_id":"acme","id":"","name":"One","model":"m"}'),
        /does not take the rows of app_public\.agents: .*agents_id_check.*\(23514/,
      ],
      [
        rows('{"tenant_id":"acme","id":"one","name":"One","model":"m"}\n{}'),
        /agents\.jsonl is damaged: it has 2 rows, and the manifest says 1/,
      ],
      [
        async (folder) => {
          await says((manifest) => ({
            ...manifest,
            tables: manifest.tables.map((table) => ({
              ...table,
              table: table.table.replace('app_public.agents', 'app_private.tenant_logins'),
            })),
          }))(folder);
          await rename(
            path.join(folder, 'app_public.agents.jsonl'),
            path.join(folder, 'app_private.tenant_logins.jsonl'),
          );
        },
        /the export has the table app_private\.tenant_logins, and no export carries it/,
      ],
      [
        async (folder) => {
          await says((manifest) => ({ ...manifest, tenant: 'acme' }))(folder);
          await rows('{"tenant_id":"default","id":"one","name":"One","model":"m"}')(folder);
        },
        /app_public\.agents would have other rows than the export: 0 were read back, and the export has 1/,
      ],
      // Postgres would print it in another way, so it is not what an export of this row says.
      [
        rows('{"tenant_id":"acme","id":"one","name":"\\u004fne","model":"m"}'),
        /app_public\.agents would have other rows than the export/,
      ],
    ];
    for (const kind of ['server', 'embedded'] as const) {
      const target = await database(kind);
      const before = digestsOf((await target.exported()).manifest);
      for (const [change, message] of cases) {
        const folder = await madeExport();
        await change(folder);
        const { status, stdout, stderr } = await target.lightning('import', folder);
        expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' });
        expect(stderr).toMatch(message);
      }
      expect(digestsOf((await target.exported()).manifest)).toEqual(before);
    }
  });

  test('that is ended while rows are on their way leaves the database as it was, and its connection in order', async () => {
    const target = await database('server');
    await makeExtremes(target.admin, false);
    const login = serverDatabase(target.env['MIGRATE_DATABASE_URL']!);
    const ended = new AbortController();
    const installation = installationIn(login);
    const opened = await openExport(whole.folder, noKeys, () => {});
    const loading = loadExport({
      installation,
      opened,
      tenant: null,
      onProgress: (_fraction, note) => {
        if (note.startsWith('loading app_public.tasks')) ended.abort(new Error('ended by SIGTERM'));
      },
      signal: ended.signal,
    });
    await expect(loading).rejects.toThrow('ended by SIGTERM');
    const { rows } = await asOwner(installation).query({ text: 'select id from ops.tenants' });
    expect(rows).toEqual([{ id: 'default' }]);
    await login.close();
  });

  test('of an older schema is loaded, and columns that it does not have get their defaults', async () => {
    const target = await database('server');
    const ended = await target.lightning('import', await madeExport('zstd'));
    expect(ended.status, ended.stderr).toBe(0);
    const { rows } = await target.admin.query(
      'select tenant_id, id, name, status, config from app_public.agents order by id',
    );
    expect(rows).toEqual([
      { tenant_id: 'acme', id: 'one', name: 'One', status: 'idle', config: {} },
      { tenant_id: 'acme', id: 'two', name: 'Two\n"2"', status: 'idle', config: {} },
    ]);
    expect((await target.admin.query('select id from app_public.tenants')).rows).toEqual([{ id: 'acme' }]);
  });

  test('with the audit log brings its rows and seals, which are verified there, and what comes later is sealed behind them', async () => {
    for (const [from, to] of [
      ['embedded', 'server'],
      ['server', 'embedded'],
    ] as const) {
      const logged = await database(from);
      await logged.admin.query(`
        select ops.create_tenant('acme', 'Acme');
        insert into app_public.agents (tenant_id, id, name, model) select 'acme', n::text, 'n', 'm' from generate_series(1, 50) n;
        update app_public.agents set name = 'renamed' where id = '7';
        delete from app_public.agents where id = '9';`);
      await sealed(logged);
      await logged.admin.query(
        `insert into app_public.tasks (tenant_id, description) values ('acme', 'not sealed yet')`,
      );
      const made = await logged.exported('--audit');
      const { rows: heads } = await logged.admin.query(
        'select number::integer, encode(hash, $1) as hash from audit.seals order by number',
        ['hex'],
      );
      expect(heads.length).toBeGreaterThan(0);

      const target = await database(to);
      const ended = await target.lightning('import', made.folder);
      expect(ended.status, ended.stderr).toBe(0);
      const back = await target.exported('--audit');
      const [before, after] = [digestsOf(made.manifest), digestsOf(back.manifest)];
      expect({ ...after, ...pick(before) }).toEqual(before);
      // The entries that came are the first ones, to the byte; the import's own stand behind them, and are sealed.
      const lines = async (each: Exported, table: string) =>
        readFile(path.join(each.folder, `${table}.jsonl`), 'utf8');
      for (const table of ['audit.seals', 'audit.seal_parts']) {
        expect((await lines(back, table)).startsWith(await lines(made, table))).toBe(true);
      }
      const came = new Set((await lines(made, 'audit.log')).trimEnd().split('\n'));
      const there = (await lines(back, 'audit.log')).trimEnd().split('\n');
      expect(there.filter((line) => came.has(line))).toHaveLength(came.size);
      await target.admin.query(`update app_public.agents set name = 'later' where id = '8'`);
      await sealed(target);
      const anchor = path.join(made.folder, '../anchors.jsonl');
      await writeFile(anchor, heads.map((head) => `${JSON.stringify(head)}\n`).join(''));
      const verified = await target.lightning('audit', 'verify', '--rows', '--anchor', anchor, '--json');
      expect(verified.status, verified.stdout + verified.stderr).toBe(0);
      expect(JSON.parse(verified.stdout)).toMatchObject({
        ok: true,
        anchors: heads.length,
        tables: { differences: [] },
      });

      expect(await target.lightning('import', made.folder)).toMatchObject({ status: 1 });
    }
  });
});

/** Digests of the tables of the log, which goes on with the import. */
function pick(digests: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(digests).filter(([table]) => table.startsWith('audit.')));
}

async function sealed({ admin }: CarriedDatabase): Promise<void> {
  await sealAll(clientExecutor(admin), admin);
}
