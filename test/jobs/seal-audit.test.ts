import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAnchors } from '../../src/audit/anchor.ts';
import { appendAnchor } from '../../src/audit/anchor-file.ts';
import { verifyChain } from '../../src/audit/verify-chain.ts';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { sql } from '../../src/db/statement.ts';
import type { JobRun } from '../../src/jobs/job-run.ts';
import { sealAudit, sealAuditJob } from '../../src/jobs/seal-audit.ts';
import { sendAnchorJob } from '../../src/jobs/send-anchor.ts';
import type { LogEntry } from '../../src/log.ts';
import { jobResources } from '../support/job-resources.ts';
import { sealAll } from '../support/seal-all.ts';
import { noServer } from '../support/server.ts';
import { startWebhook } from '../support/webhook.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

const signal = new AbortController().signal;
const run: JobRun = { signal, progress: () => {}, idle: () => {} };

describe.each(workerTargets)('sealing the audit log (%s)', (_kind, open) => {
  let target: WorkerTarget;
  let directory: string;

  beforeAll(async () => {
    target = await open();
    directory = await mkdtemp(path.join(tmpdir(), 'anchors-'));
    await target.database.query(sql`select ops.open_job_queue()`).catch(() => {});
  });
  afterAll(async () => {
    await target?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const insert = (description: string) =>
    target.admin.query(`insert into app_public.tasks (tenant_id, description) values ('default', $1)`, [
      description,
    ]);

  test('the head goes to the log, to the file once, and to the webhook through a job of its own', async () => {
    await sealAll(target.database, target.admin);
    const webhook = await startWebhook();
    const logged: LogEntry[] = [];
    const file = path.join(directory, 'anchors.jsonl');
    await writeFile(file, '{"number": 1, "ha');
    await target.admin.query('create schema if not exists graphile_worker');
    const sent: unknown[] = [];
    // The queue of jobs is not open here: what would be queued is kept.
    const executor = {
      query: <Row>(statement: Parameters<typeof target.database.query>[0]) => {
        if (!statement.text.includes('graphile_worker.add_job')) return target.database.query<Row>(statement);
        sent.push(JSON.parse(String(statement.values?.[0])));
        return Promise.resolve({ rows: [] as Row[], rowCount: 1 });
      },
    };
    const resources = jobResources(executor, {
      kind: target.kind,
      anchors: { file, webhook: webhook.url },
      log: (entry) => logged.push(entry),
    });
    try {
      await insert('seen from outside');
      let did: string | null = null;
      await expect
        .poll(async () => (did ??= await sealAuditJob.prepare({})(run, resources)), { timeout: 20_000 })
        .toMatch(/^sealed \d+ rows in 1 links; the head is link \d+, [0-9a-f]{64}$/);
      await sealAuditJob.prepare({})(run, resources);
      const { rows } = await target.admin.query(
        `select number::integer, encode(hash, 'hex') as hash, total_rows::integer as rows from audit.seals order by number desc limit 1`,
      );
      expect(logged).toEqual([expect.objectContaining({ level: 'info', event: 'audit-sealed', ...rows[0] })]);
      const lines = (await readFile(file, 'utf8')).split('\n');
      // An earlier run may have written the head before, while a transaction of another test kept the row from being sealed.
      expect([lines[0], lines.at(-1)]).toEqual(['{"number": 1, "ha', '']);
      expect(lines.slice(1, -1).map((line) => (JSON.parse(line) as { number: number }).number)).toEqual([
        ...(lines.length === 4 ? [rows[0].number - 1] : []),
        rows[0].number,
      ]);
      expect(JSON.parse(lines.at(-2)!)).toMatchObject(rows[0]);
      expect(sent).toHaveLength(1);
      await sendAnchorJob.prepare(sent[0])(run, resources);
      expect(webhook.received).toEqual([
        {
          event: 'sealed',
          text: expect.stringContaining(rows[0].hash),
          anchor: expect.objectContaining(rows[0]),
        },
      ]);
      expect(JSON.stringify(logged)).not.toContain('hush');
    } finally {
      await webhook.close();
    }
  });

  test('a file of anchors that cannot be read is refused with the line', async () => {
    const file = path.join(directory, 'broken.jsonl');
    const all = async (text: string) => {
      await writeFile(file, text);
      const found = [];
      for await (const anchor of readAnchors(file)) found.push(anchor);
      return found;
    };
    await expect(all('')).rejects.toThrow('holds no anchor');
    await expect(all('{"number": 1, "ha\n')).rejects.toThrow('holds no anchor');
    await expect(all('{"number": 1, ha}\n')).rejects.toThrow('line 1 is not JSON');
    await expect(all('number\n')).rejects.toThrow('line 1 is not JSON');
    await expect(all('{"number": 0, "hash": "00"}\n')).rejects.toThrow('line 1: expected a number from 1');
    await expect(all(`{"x": "${'x'.repeat(200_000)}"}\n`)).rejects.toThrow('line 1 is longer');
    await expect(readAnchors(path.join(directory, 'none')).next()).rejects.toThrow('cannot be read');
    const anchor = { number: 3, hash: 'ab'.repeat(32), at: '2026-11-27T00:00:00.000000Z', rows: 7 };
    expect(
      await all(`{"event": "other"}\n\n${JSON.stringify({ event: 'audit-sealed', ...anchor })}\n`),
    ).toEqual([anchor]);
    // A crash cut a line short, and the worker ended it before it wrote the next.
    await writeFile(file, '{"number":2,"hash":"ab');
    await appendAnchor(file, anchor);
    expect(await all(await readFile(file, 'utf8'))).toEqual([anchor]);
  });

  test('the worker cannot seal with nonsense, and nobody changes a link', async () => {
    await expect(target.database.query(sql`select * from ops.seal_audit_log('v', 0)`)).rejects.toMatchObject({
      code: 'LTA05',
    });
    await expect(
      target.database.query(sql`select * from ops.seal_audit_log(${'v'.repeat(65)})`),
    ).rejects.toMatchObject({
      code: 'LTA05',
    });
    for (const statement of [
      'update audit.seals set version = version',
      'delete from audit.seals',
      'truncate audit.seals',
      'update audit.seal_parts set ids = null, leaves = null',
      'update audit.seal_parts set row_count = 1',
      'delete from audit.seal_parts',
      'truncate audit.seal_parts',
    ]) {
      await expect(target.admin.query(statement), statement).rejects.toMatchObject({ code: 'LTA03' });
    }
  });

  test('rows of a dump from a server that had counted further are sealed, and later rows behind them', async () => {
    await insert('in the old server');
    // The dump brings ids and transactions as they were there.
    await target.admin.query(`
      begin;
      set local session_replication_role = replica;
      update audit.log set transaction_id = (transaction_id::text::bigint + 4000000000000)::text::xid8
      where (transaction_id, id) > (select to_transaction_id, to_id from audit.seals order by number desc limit 1);
      commit`);
    for (const text of ['one', 'two']) {
      await insert(`in the new server, ${text}`);
      await sealAll(target.database, target.admin, 1);
    }
    const { rows } = await target.admin.query(
      'select count(distinct id_floor)::integer as n from audit.seals',
    );
    expect(rows).toEqual([{ n: 2 }]);
    const executor = clientExecutor(target.admin);
    expect(await verifyChain({ executor })).toMatchObject({ tampering: null, unsealedRows: 0 });
    const { rows: found } = await target.admin.query('select audit.verify() as found');
    expect(found).toMatchObject([{ found: { ok: true } }]);
    // A row behind the last link of the old counting.
    await target.admin.query('begin');
    await target.admin.query(
      `insert into audit.log (id, transaction_id, table_name, operation, row_count, role) overriding system value values (-1, '4999999999999', 'x', 'insert', 1, 'r')`,
    );
    expect(await verifyChain({ executor })).toMatchObject({
      tampering: { kind: 'slipped in', row: { id: '-1' } },
    });
    const { rows: inSql } = await target.admin.query('select audit.verify() as found');
    expect(inSql).toMatchObject([{ found: { ok: false, problem: { kind: 'slipped in', id: -1 } } }]);
    await target.admin.query('rollback');
  });
});

describe.skipIf(noServer)('sealing beside transactions that end late', () => {
  let target: WorkerTarget;
  const clients: Client[] = [];

  beforeAll(async () => {
    target = await workerTargets.find(([kind]) => kind === 'server')![1]();
    // What a new database has in its log, so that the tests count links of their own rows.
    await sealAll(target.database, target.admin);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await target?.close();
  });

  const write = (client: Client, description: string) =>
    client.query(`insert into app_public.tasks (tenant_id, description) values ('default', $1)`, [
      description,
    ]);
  const sealed = async (): Promise<string[]> => {
    const { rows } = await target.admin.query<{ description: string }>(
      `select r.new_values ->> 'description' as description
       from audit.seals s join audit.seal_parts p on p.number = s.number cross join unnest(p.ids) with ordinality i(id, n)
       join audit.log r on r.id = i.id
       where r.table_name = 'app_public.tasks' order by s.number, p.month, i.n`,
    );
    return rows.map(({ description }) => description);
  };
  const seal = () => sealAudit(target.database, { signal, mostRows: 1 });

  test('a row is sealed once every transaction that is older has ended, and none comes in later between sealed rows', async () => {
    const asOwner = target.admin;
    const [long, prepared, late] = await Promise.all(
      [0, 1, 2].map(async () => {
        const client = new Client({ connectionString: adminUrlOf(target) });
        await client.connect();
        clients.push(client);
        return client;
      }),
    );
    // Begins before all others, and writes last.
    await late!.query('begin');
    await late!.query('select now()');
    await long!.query('begin');
    await write(long!, 'long, first');
    await prepared!.query('begin');
    await write(prepared!, 'prepared');
    await prepared!.query(`prepare transaction 'seal-${process.pid}'`);
    await write(asOwner, 'short');
    await seal();
    const before = await sealed();
    expect(before).not.toContain('short');

    await long!.query('savepoint one');
    await write(long!, 'rolled back to the savepoint');
    await long!.query('rollback to savepoint one');
    await long!.query('savepoint two');
    await write(long!, 'long, in a subtransaction');
    await long!.query('release savepoint two');
    await asOwner.query('begin');
    await write(asOwner, 'rolled back');
    await asOwner.query('rollback');
    await write(late!, 'late');
    await long!.query('commit');
    await seal();
    // The prepared transaction is still older.
    expect(await sealed()).not.toContain('short');
    await asOwner.query(`commit prepared 'seal-${process.pid}'`);
    await expect
      .poll(
        async () => {
          await seal();
          return (await sealed()).slice(before.length);
        },
        { timeout: 30_000 },
      )
      .toEqual(['long, first', 'long, in a subtransaction', 'prepared', 'short']);
    await write(asOwner, 'after');
    await late!.query('commit');
    await sealAll(target.database, target.admin, 1);
    expect((await sealed()).slice(before.length)).toEqual([
      'long, first',
      'long, in a subtransaction',
      'prepared',
      'short',
      'late',
      'after',
    ]);
    expect(await verifyChain({ executor: clientExecutor(asOwner) })).toMatchObject({
      tampering: null,
      unsealedRows: 0,
    });
  });

  test('sealers beside each other and beside writers make one chain of every row', async () => {
    const state = { writing: true };
    const writers = clients.slice(-3).map(async (client, n) => {
      for (let i = 0; i < 40; i += 1) {
        await client.query('begin');
        await write(client, `writer ${n}, ${i}`);
        await client.query('savepoint s');
        await write(client, `writer ${n}, ${i}, again`);
        if (i % 3 === 0) await client.query('rollback to savepoint s');
        await client.query(i % 5 === 0 ? 'rollback' : 'commit');
      }
    });
    const sealers = [1, 2].map(async () => {
      while (state.writing) await sealAudit(target.database, { signal, mostRows: 7 });
    });
    await Promise.all(writers);
    state.writing = false;
    await Promise.all(sealers);
    await sealAll(target.database, target.admin, 7);
    const verdict = await verifyChain({ executor: clientExecutor(target.admin) });
    const { rows } = await target.admin.query<{ n: number }>('select count(*)::integer as n from audit.log');
    expect(verdict).toMatchObject({ tampering: null, unsealedRows: 0, rows: rows[0]!.n });
    expect(verdict.seals).toBeGreaterThan(20);
  });

  test('an alert says since when nothing is sealed and what keeps it back, while a worker lives', async () => {
    const { admin } = target;
    const findings = async () => (await admin.query('select severity, message from ops.check_sealing')).rows;
    await admin.query(
      `update audit.sealing set sealed_through = now() - interval '11 minutes', seen_xmax = '9999999999'`,
    );
    expect(await findings()).toEqual([]);
    await admin.query(`select ops.see_worker('w', 'h', 1, '0')`);
    await admin.query(`update ops.workers set started_at = now() - interval '1 day'`);
    expect(await findings()).toEqual([
      { severity: 'warning', message: expect.stringMatching(/^the audit log is sealed up to \d{4}-\S+Z; /) },
    ]);
    await admin.query(`update audit.sealing set sealed_through = now() - interval '61 minutes'`);
    expect(await findings()).toMatchObject([{ severity: 'error' }]);
    await admin.query(`update audit.sealing set seen_xmax = '0', seen_at = now()`);
    await seal();
    await expect
      .poll(
        async () => {
          await seal();
          return findings();
        },
        { timeout: 20_000 },
      )
      .toEqual([]);
  });
});

function adminUrlOf({ admin }: WorkerTarget): string {
  const { user, password, host, port, database } = admin as Client & { database: string };
  return `postgres://${user}:${encodeURIComponent(String(password))}@${host}:${port}/${database}`;
}
