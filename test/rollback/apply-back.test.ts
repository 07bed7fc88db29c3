import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { asOwner } from '../../src/db/installation.ts';
import { readCatalog, select } from '../../src/export/catalog.ts';
import { exportDatabase } from '../../src/export/export-database.ts';
import { loadExport } from '../../src/export/load-export.ts';
import { readReferences } from '../../src/export/load-plan.ts';
import { openExport } from '../../src/export/open-export.ts';
import { applyBack } from '../../src/rollback/apply-back.ts';
import type { Change } from '../../src/rollback/apply-back.ts';
import { choosePart, computedTables } from '../../src/rollback/part.ts';
import type { Part } from '../../src/rollback/part.ts';
import { readStop, startWrites, stopWrites } from '../../src/rollback/stop-writes.ts';
import { carriedDatabase, digestsOf, makeExtremes } from '../export/carried-database.ts';
import type { CarriedDatabase } from '../export/carried-database.ts';
import { noKeys } from '../export/made-export.ts';
import { installationIn } from '../support/installation.ts';
import { noServer } from '../support/server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { fillTables } from '../support/two-tenants.ts';

const wait = { withinMs: 20_000, onProgress: () => {} };

/** A database whose writes are stopped, and one beside it that stands for the memory and has the part. */
interface Way {
  readonly database: CarriedDatabase;
  readonly memory: CarriedDatabase;
  readonly stop: string;
  readonly part: Part;
  /** The id of the export that went into memory. */
  readonly imported: string;
}

describe.skipIf(noServer)('what was written in memory', { timeout: 180_000 }, () => {
  const open: CarriedDatabase[] = [];
  let way: Way;

  const ofKind = async (kind: 'embedded' | 'server'): Promise<CarriedDatabase> => {
    const made = await carriedDatabase(kind);
    open.push(made);
    return made;
  };
  const operatorOf = ({ env, kind }: CarriedDatabase) =>
    serverDatabase(
      kind === 'server'
        ? env['MIGRATE_DATABASE_URL']!
        : `postgres://postgres@localhost:5432/postgres?host=${encodeURIComponent(env['DATA_DIR']!)}`,
    );
  const newFolder = async (): Promise<string> =>
    path.join(await mkdtemp(path.join(tmpdir(), 'way-')), 'part');

  /** Goes into memory with these tables. */
  const goWith = async (database: CarriedDatabase, tables: readonly string[] | null): Promise<Way> => {
    const operator = operatorOf(database);
    const owner = asOwner(installationIn(operator));
    const carried = select(await readCatalog(owner), { audit: false, ofTenant: false }).carried;
    const part = choosePart(
      carried.map(({ name }) => name),
      await readReferences(owner),
      tables,
    );
    const { stop } = await stopWrites(owner, 'a rehearsal', wait);
    const folder = await newFolder();
    const backup = serverDatabase(database.env['BACKUP_DATABASE_URL'] ?? operatorUrl(database));
    await exportDatabase({
      database: backup,
      folder,
      tenant: null,
      tables: [...part.keys()],
      conditions: new Map([...part].filter(([, where]) => where !== '')),
      audit: false,
      content: 'jsonl',
      storage: 'plain',
      keys: noKeys,
      now: () => new Date(),
      onProgress: () => {},
    });
    await backup.close();
    await operator.close();
    const memory = await ofKind('embedded');
    if (tables !== null) await makeExtremes(memory.admin, false);
    const loader = operatorOf(memory);
    const opened = await openExport(folder, noKeys, () => {});
    await loadExport({ installation: installationIn(loader), opened, tenant: null, onProgress: () => {} });
    await loader.close();
    return { database, memory, stop: stop.id, part, imported: opened.manifest.id };
  };
  const operatorUrl = (database: CarriedDatabase): string =>
    `postgres://postgres@localhost:5432/postgres?host=${encodeURIComponent(database.env['DATA_DIR'] ?? '')}`;

  const comeBack = async ({
    database,
    memory,
    stop,
    part,
    imported,
  }: Way): Promise<readonly Change[] | null> => {
    const { folder } = await memory.exported('--audit');
    const operator = operatorOf(database);
    try {
      return await applyBack({
        installation: installationIn(operator),
        opened: await openExport(folder, noKeys, () => {}),
        part,
        imported,
        stop,
        onProgress: () => {},
      });
    } finally {
      await operator.close();
    }
  };

  beforeAll(async () => {
    const database = await ofKind('server');
    const api = serverDatabase(database.env['DATABASE_URL']!);
    await fillTables(database.admin, api);
    await api.close();
    await makeExtremes(database.admin, true);
    way = await goWith(database, ['extremes', 'threads', 'tasks', 'metrics']);
  }, 180_000);
  afterAll(async () => {
    for (const each of open) await each.close();
  });

  test('nothing: no row of the database changes, of whatever type, and it takes writes again', async () => {
    const before = await way.database.exported();
    expect(await comeBack(way)).toEqual([]);
    expect(digestsOf((await way.database.exported()).manifest)).toEqual(digestsOf(before.manifest));
    const operator = operatorOf(way.database);
    expect(await readStop(asOwner(installationIn(operator)))).toBeNull();
    await operator.close();
    const { rows } = await way.database.admin.query(`
      select c.relname, t.tgname from pg_class c join pg_trigger t on t.tgrelid = c.oid
      where t.tgname <> '_000_stopped' and t.tgenabled = 'D'`);
    expect(rows, 'triggers are as before').toEqual([]);
    expect(await comeBack(way), 'once more').toBeNull();
  });

  test('is inserted, updated and deleted in the tables that went along and in others, with the audit log in one piece', async () => {
    const { database } = way;
    way = await goWith(database, ['extremes', 'agents']);
    const { memory } = way;
    const write = (admin: Client): Promise<unknown> =>
      admin.query(`
        update app_public.extremes set t = 'written', n = 'NaN', j = '{"b": 1, "a": 2}' where name = 'low';
        delete from app_public.extremes where name = 'small';
        insert into app_public.extremes (tenant_id, name, f8) values ('acme', 'made in memory', '-0');
        update app_public.agents set name = 'renamed' where tenant_id = 'acme';
        insert into app_public.tasks (tenant_id, id, description) values ('acme', '00000000-0000-4000-8000-000000000001', 'made in memory');
        insert into app_public.metrics (tenant_id, service_name, metric_name, value, timestamp) values ('acme', 's', 'm', 7, '2021-01-02 01:00Z');`);
    await memory.admin.query(
      "select app_private.create_partition('app_public.metrics', 'metrics_p20210102', '2021-01-02Z', '2021-01-03Z')",
    );
    await write(memory.admin);
    const changes = await comeBack(way);
    expect(
      Object.fromEntries(changes!.map(({ table, written, deleted }) => [table, [written, deleted]])),
    ).toEqual({
      'app_public.agents': [expect.any(Number), 0],
      'app_public.extremes': [2, 1],
      'app_public.metrics': [1, 0],
      'app_public.tasks': [1, 0],
    });
    const read = async (admin: Client) => {
      const { rows } = await admin.query(`
        select 'extremes' as of, to_jsonb(row(e.*)::text) as row from app_public.extremes e
        union all select 'agents', to_jsonb(row(a.*)::text) from app_public.agents a order by 1, 2`);
      return rows;
    };
    expect(await read(database.admin)).toEqual(await read(memory.admin));
    const { rows: points } = await database.admin.query(
      "select value from app_public.metrics where timestamp = '2021-01-02 01:00Z'",
    );
    expect(points).toEqual([{ value: 7 }]);
    const { rows: due } = await database.admin.query(
      "select resolution from ops.metric_changes where tenant_id = 'acme' and bucket = '2021-01-02 01:00Z' order by 1",
    );
    expect(due, 'the worker rolls the point up').toEqual([{ resolution: 'minute' }]);
    const { rows: log } = await database.admin.query(`
      select operation, count(*)::integer as n from audit.log
      where table_name = 'app_public.extremes' and operation in ('update', 'delete') group by 1 order by 1`);
    expect(log).toEqual([
      { operation: 'delete', n: 1 },
      { operation: 'update', n: 1 },
    ]);
  });

  test('is refused by the name of the table when the database has another row in its way, and nothing is changed', async () => {
    const { database } = way;
    await database.admin.query(
      "insert into app_public.tasks (tenant_id, description, idempotency_key, status) values ('acme', 'ended', 'in the way', 'pending')",
    );
    way = await goWith(database, ['agents']);
    await way.memory.admin.query(
      "insert into app_public.agents (tenant_id, id, name, model) values ('acme', 'new-1', 'new', 'none'); insert into app_public.tasks (tenant_id, description, idempotency_key) values ('acme', 'again', 'in the way')",
    );
    await expect(comeBack(way)).rejects.toMatchObject({
      name: 'ExportRefused',
      message: expect.stringMatching(
        /^the database does not take the rows of app_public\.tasks: .*in the way/,
      ),
    });
    const { rows } = await database.admin.query("select from app_public.agents where id = 'new-1'");
    expect(rows).toEqual([]);
    const { rows: stops } = await database.admin.query('select id from ops.stopped_writes');
    expect(stops, 'writes stay stopped').toEqual([{ id: way.stop }]);
  });

  test('is refused when the process in memory was started anew: what it has lost was not deleted', async () => {
    const { rows: before } = await way.database.admin.query('select count(*) from app_public.agents');
    const memory = await ofKind('embedded');
    await expect(comeBack({ ...way, memory })).rejects.toMatchObject({
      name: 'RollbackRefused',
      message: expect.stringMatching(/^the process in memory never had the critical data \(\S+-export-\S+\)/),
    });
    expect((await way.database.admin.query('select count(*) from app_public.agents')).rows).toEqual(before);
  });

  test('is refused where the database has taken writes since, or was stopped anew', async () => {
    const operator = operatorOf(way.database);
    const owner = asOwner(installationIn(operator));
    await startWrites(owner, wait);
    await expect(comeBack(way)).rejects.toMatchObject({
      name: 'RollbackRefused',
      message: expect.stringMatching(/^the database has taken writes since this rollback began/),
    });
    await stopWrites(owner, 'another one', wait);
    await expect(comeBack(way)).rejects.toMatchObject({
      name: 'RollbackRefused',
      message: expect.stringMatching(/^the writes of the database were stopped anew/),
    });
    await startWrites(owner, wait);
    await operator.close();
  });

  test('comes back into an embedded database as well', async () => {
    const database = await ofKind('embedded');
    await database.admin.query("select ops.create_tenant('acme', 'A'), ops.create_tenant('rival', 'B')");
    await makeExtremes(database.admin, true);
    const embedded = await goWith(database, null);
    await embedded.memory.admin.query(
      "insert into app_public.agents (tenant_id, id, name, model) values ('default', 'a', 'a', 'none')",
    );
    expect(await comeBack(embedded)).toEqual([{ table: 'app_public.agents', written: 1, deleted: 0 }]);
    const { rows } = await database.admin.query('select id from app_public.agents');
    expect(rows).toEqual([{ id: 'a' }]);
  });
});

describe('the part that goes into memory', () => {
  const references = [
    { from: 'app_public.messages', to: 'app_public.threads' },
    { from: 'app_public.threads', to: 'app_public.agents' },
  ];
  const carried = [
    'app_public.tenants',
    'app_public.agents',
    'app_public.threads',
    'app_public.messages',
    'legacy.agent_fields',
  ];

  test('has what the rows of a named table refer to, and what stands beside these', () => {
    expect([...choosePart(carried, references, ['messages'])].sort()).toEqual([
      ['app_public.agents', ''],
      ['app_public.messages', ''],
      ['app_public.tenants', ''],
      ['app_public.threads', ''],
      ['legacy.agent_fields', ''],
    ]);
  });

  test('has of tasks what is open, and of their companions the same', () => {
    const names = [...carried, 'app_public.tasks', 'legacy.task_fields'];
    const part = choosePart(names, references, null);
    expect(part.get('app_public.tasks')).toMatch(/^\(t\.status in \('pending', 'assigned', 'running'\)/);
    expect(part.get('legacy.task_fields')).toContain(part.get('app_public.tasks'));
  });

  test.each([...computedTables])('never has %s', (name) => {
    expect(() => choosePart([...carried, name], references, [name])).toThrow(
      `${name} is computed from other tables`,
    );
  });

  test('refuses a table that cannot go along, with the names of those that can', () => {
    expect(() => choosePart(carried, references, ['nobody'])).toThrow(
      'there is no table app_public.nobody that could go along; expected one of app_public.tenants, app_public.agents',
    );
  });

  test('names tables and columns that are there', async () => {
    const database = await carriedDatabase('embedded');
    try {
      const executor = clientExecutor(database.admin);
      const all = new Set((await readCatalog(executor)).map(({ name }) => name));
      expect([...computedTables].filter((name) => !all.has(name))).toEqual([]);
      const { carried: tables } = select(await readCatalog(executor), { audit: false, ofTenant: false });
      const part = choosePart(
        tables.map(({ name }) => name),
        await readReferences(executor),
        null,
      );
      expect(part.size).toBe(17);
      for (const [name, where] of part)
        await database.admin.query(`select from ${name} t ${where === '' ? '' : `where ${where}`}`);
    } finally {
      await database.close();
    }
  });
});
