import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createLogin, dropLogin } from '../../src/commands/login.ts';
import type { Database } from '../../src/db/database.ts';
import { asOwner } from '../../src/db/installation.ts';
import type { ScopedDatabase } from '../../src/db/scoped-database.ts';
import { readCatalog, select } from '../../src/export/catalog.ts';
import { taskListOf } from '../../src/jobs/run-jobs.ts';
import { jobs } from '../../src/jobs/registry.ts';
import { operatorDatabase, openConnections } from '../../src/open-database.ts';
import { readStop, startWrites, stopWrites } from '../../src/rollback/stop-writes.ts';
import { accessEntries } from '../support/access-entries.ts';
import { installationIn } from '../support/installation.ts';
import { noServer } from '../support/server.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

const quick = { withinMs: 100, onProgress: () => {} };
const patient = { withinMs: 30_000, onProgress: () => {} };
const stopped = expect.objectContaining({
  code: 'LTO01',
  message: expect.stringMatching(/^writes are stopped since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: moving$/),
});

describe.each(workerTargets)('writes that are stopped (%s)', (_kind, open) => {
  let target: WorkerTarget;
  let database: Database;
  let owner: ScopedDatabase;
  let admin: Client;

  beforeAll(async () => {
    target = await open();
    ({ admin } = target);
    const connections = await openConnections(target.config, () => {}, { attach: true });
    database = operatorDatabase(connections, target.config, () => {});
    owner = asOwner({ database, rolePrefix: target.config.rolePrefix });
    await admin.query(
      `create table public."Own notes" (note text); insert into public."Own notes" values ('kept')`,
    );
    await admin.query(`alter table public."Own notes" owner to ${target.config.rolePrefix}_owner`);
  });
  afterEach(() => startWrites(owner, patient));
  afterAll(async () => {
    await database?.close();
    await target?.close();
  });

  test('are those of every table that an export carries, and of logins, for a superuser and a replica, too', async () => {
    const names = select(await readCatalog(owner), { audit: false, ofTenant: false }).carried.map(
      ({ name }) => name,
    );
    await stopWrites(owner, 'moving', quick);
    const { rows } = await admin.query<{ name: string }>(
      `select n.nspname || '.' || c.relname as name
       from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
       where t.tgname = '_000_stopped' and t.tgenabled = 'A' and not c.relispartition order by 1`,
    );
    expect(rows.map(({ name }) => name).sort()).toEqual(
      [...names, 'app_private.tenant_logins', 'public.Own notes'].sort(),
    );
    await admin.query('set session_replication_role = replica');
    try {
      for (const name of rows.map((row) => row.name)) {
        const [schema = '', table = ''] = name.split('.');
        for (const text of [`delete from "${schema}"."${table}"`, `truncate "${schema}"."${table}" cascade`])
          await expect(admin.query(text), text).rejects.toEqual(stopped);
      }
    } finally {
      await admin.query('set session_replication_role = origin');
    }
  });

  test('are refused as every statement that fills a table', async () => {
    await admin.query('begin');
    await admin.query("set local app.tenant_id = 'default'");
    await stopInside(admin);
    let refused = 0;
    for (const { name, fill } of accessEntries) {
      if (fill === undefined || (await isLeftOut(name))) continue;
      await admin.query('savepoint before');
      await expect(admin.query(fill, fill.includes('$1') ? ['default'] : []), fill).rejects.toMatchObject({
        code: 'LTO01',
      });
      await admin.query('rollback to savepoint before');
      refused += 1;
    }
    await admin.query('rollback');
    expect(refused).toBeGreaterThan(15);
  });

  test('go on as before once they are started, and a stop and a start are events of the audit log', async () => {
    const { stop } = await stopWrites(owner, 'moving', quick);
    expect(await stopWrites(owner, 'another reason', quick)).toEqual({ stop, notStopped: [] });
    expect(await readStop(owner)).toEqual(stop);
    expect(await startWrites(owner, patient)).toEqual(stop);
    expect(await startWrites(owner, patient)).toBeNull();
    expect(await readStop(owner)).toBeNull();
    await admin.query(`insert into public."Own notes" values ('new')`);
    const { rows } = await admin.query(
      'select operation, new_values from audit.log where table_name = $1 order by id',
      [stop.id],
    );
    expect(rows).toEqual([
      { operation: 'stop writes', new_values: { reason: 'moving' } },
      { operation: 'start writes', new_values: null },
    ]);
  });

  test.each(['', '  ', 'x'.repeat(501)])(
    'need a reason of 1 to 500 characters, and not %j',
    async (reason) => {
      await expect(stopWrites(owner, reason, quick)).rejects.toMatchObject({ code: 'LTO02' });
      expect(await readStop(owner)).toBeNull();
    },
  );

  test('let a session be used and a key be noted: both read what they were asked for', async () => {
    await admin.query(
      `insert into app_public.sessions (tenant_id, user_id, token, expires_at, sliding_ttl)
       values ('default', 'ann', app_private.token_digest('a token of sixteen'), now() + interval '1 minute', '1 hour')`,
    );
    await stopWrites(owner, 'moving', quick);
    const { rows: used } = await admin.query('select user_id from app_private.use_session($1)', [
      'a token of sixteen',
    ]);
    expect(used).toEqual([{ user_id: 'ann' }]);
    await admin.query("select ops.note_key_use('{000000000000}')");
  });

  test('raise an alert that says why', async () => {
    await stopWrites(owner, 'moving', quick);
    const { rows } = await admin.query('select severity, message from ops.check_stopped_writes');
    expect(rows).toEqual([
      {
        severity: 'warning',
        message: expect.stringMatching(
          /^writes are stopped since .* \(moving\): lightning writes start lets them in again$/,
        ),
      },
    ]);
  });

  test('keep jobs waiting that change data, and no others', async () => {
    await stopWrites(owner, 'moving', quick);
    const again: string[] = [];
    const entries: string[] = [];
    const tasks = taskListOf(jobs, {
      resources: {
        executor: target.database,
        kind: target.kind,
        embed: null,
        alertWebhook: null,
        anchors: { file: null, webhook: null },
        backups: null,
        log: ({ event, message }) => entries.push(`${event}: ${message}`),
        now: () => new Date(),
      },
      signal: new AbortController().signal,
    });
    for (const task of [
      'retention',
      'roll_up_metrics',
      'tend_workflows',
      'embed_knowledge',
      'trim_events',
      'ensure_partitions',
    ])
      await tasks[task]!({}, {
        job: { id: '1', locked_by: null, key: null, task_identifier: task, max_attempts: 1, priority: 0 },
        getQueueName: async () => null,
        addJob: async (name: string) => void again.push(name),
      } as never);
    expect(again).toEqual(['retention', 'roll_up_metrics', 'tend_workflows', 'embed_knowledge']);
    expect(entries).toContain('job-waits: retention: writes are stopped');
    const { rows } = await admin.query("select task from ops.job_runs where outcome = 'failed'");
    expect(rows).toEqual([]);
  });

  /** Stops writes in the transaction of the client, as the owner's function does. */
  async function stopInside(client: Client): Promise<void> {
    await client.query("select from app_private.begin_stop('moving')");
    await client.query(
      'select app_private.stop_writes_to(t.relation) from app_private.tables_of_data() t where t.stoppable',
    );
  }

  async function isLeftOut(name: string): Promise<boolean> {
    const { rows } = await admin.query(
      'select from app_private.tables_of_data() t where t.relation = $1::regclass',
      [name],
    );
    return rows.length === 0;
  }
});

const [, openServer] = workerTargets.find(([kind]) => kind === 'server') ?? workerTargets[0]!;

describe.skipIf(noServer)('writes that are stopped on a server', () => {
  const planner = `planner_${randomBytes(4).toString('hex')}`;
  let target: WorkerTarget;
  let database: Database;
  let owner: ScopedDatabase;
  const clients: Client[] = [];

  beforeAll(async () => {
    target = await openServer();
    const connections = await openConnections(target.config, () => {}, { attach: true });
    database = operatorDatabase(connections, target.config, () => {});
    owner = asOwner({ database, rolePrefix: target.config.rolePrefix });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.end();
    await startWrites(owner, patient);
  });
  afterAll(async () => {
    await dropLogin(installationIn(database), planner).catch(() => {});
    await database?.close();
    await target?.close();
  });

  const connected = async (): Promise<Client> => {
    const client = new Client({ connectionString: adminUrl() });
    await client.connect();
    clients.push(client);
    return client;
  };
  const adminUrl = (): string => {
    const { user, password, host, port, database: name } = target.admin;
    return `postgres://${user}:${encodeURIComponent(password as string)}@${host}:${port}/${name}`;
  };

  test('wait for a transaction that has written, and not for one that reads', async () => {
    const [reader, writer] = [await connected(), await connected()];
    await reader.query('begin isolation level repeatable read');
    await reader.query('select from app_public.tasks');
    await writer.query('begin');
    await writer.query(
      "insert into app_public.tasks (tenant_id, description) values ('default', 'under way')",
    );
    const said: string[] = [];
    const stopping = stopWrites(owner, 'moving', { ...patient, onProgress: (_, note) => said.push(note) });
    await expect.poll(() => said.length).toBeGreaterThan(0);
    await writer.query('commit');
    await stopping;
    expect(said[0]).toMatch(
      /^waiting for transactions that write: process \d+ of login \S+, in a transaction since \d\d:\d\d:\d\d$/,
    );
    // Its snapshot is older than the stop, and it is refused all the same.
    await expect(
      reader.query("insert into app_public.tasks (tenant_id, description) values ('default', 'too late')"),
    ).rejects.toMatchObject({
      code: 'LTO01',
      message: 'writes are stopped since a moment ago: the reason is in ops.stopped_writes',
    });
    const { rows } = await target.admin.query(
      "select description from app_public.tasks where description in ('under way', 'too late')",
    );
    expect(rows).toEqual([{ description: 'under way' }]);
  });

  test('are not stopped while a transaction stays open: the command names it, and writers go on', async () => {
    const [stays, writer] = [await connected(), await connected()];
    await stays.query(
      "begin; insert into app_public.tasks (tenant_id, description) values ('default', 'open')",
    );
    const { rows } = await stays.query<{ pid: number }>('select pg_backend_pid() as pid');
    await expect(stopWrites(owner, 'moving', { ...quick, withinMs: 1_500 })).rejects.toMatchObject({
      name: 'WritersStay',
      message: expect.stringContaining(`process ${rows[0]!.pid} of login`),
    });
    await writer.query("insert into app_public.tasks (tenant_id, description) values ('default', 'goes on')");
    expect(await readStop(owner)).toBeNull();
  });

  test('come to no writer as a deadlock, whichever tables it writes in whichever order', async () => {
    const errors: unknown[] = [];
    let written = 0;
    const stopping = new AbortController();
    const writers = [
      ['app_public.tasks', 'app_public.threads'],
      ['app_public.threads', 'app_public.tasks'],
      ['app_public.workflows', 'app_public.tasks'],
    ].map(async (tables) => {
      const client = await connected();
      while (!stopping.signal.aborted) {
        try {
          await client.query('begin');
          for (const table of tables)
            await client.query(
              {
                'app_public.tasks':
                  "insert into app_public.tasks (tenant_id, description) values ('default', 'x')",
                'app_public.threads': "insert into app_public.threads (tenant_id) values ('default')",
                'app_public.workflows':
                  "insert into app_public.workflows (tenant_id, name) values ('default', 'x')",
              }[table]!,
            );
          await client.query('commit');
          written += 1;
        } catch (error) {
          await client.query('rollback');
          if ((error as { code?: string }).code !== 'LTO01') errors.push(error);
        }
      }
    });
    for (let round = 0; round < 5; round += 1) {
      await stopWrites(owner, 'moving', patient);
      const { rows: before } = await target.admin.query('select count(*) from app_public.tasks');
      // Answers to commits of before may still be on their way.
      await pause(100);
      const at = written;
      await pause(100);
      const { rows: after } = await target.admin.query('select count(*) from app_public.tasks');
      expect({ rows: after, written }).toEqual({ rows: before, written: at });
      await startWrites(owner, patient);
      await expect.poll(() => written).toBeGreaterThan(at);
    }
    stopping.abort();
    await Promise.all(writers);
    expect(errors).toEqual([]);
  });

  test('are refused to the login of a service, and named where a table belongs to another role', async () => {
    const password = await createLogin(installationIn(database), planner, 'default', {}, { role: 'service' });
    await target.admin.query('create table public.foreign_notes (note text)');
    const { notStopped } = await stopWrites(owner, 'moving', patient);
    expect(notStopped).toEqual(['foreign_notes']);
    const url = Object.assign(new URL(adminUrl()), { username: planner, password });
    const client = new Client({ connectionString: url.href });
    await client.connect();
    clients.push(client);
    await expect(client.query("insert into agents (id, name) values ('a', 'a')")).rejects.toMatchObject({
      code: 'LTO01',
    });
    expect((await client.query('select from agents')).rowCount).toBe(0);
  });
});
