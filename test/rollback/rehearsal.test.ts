import { randomBytes, randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noSignatures } from '../../src/backup/signatures.ts';
import { createLogin, dropLogin } from '../../src/commands/login.ts';
import { openExport } from '../../src/export/open-export.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { blocksOf } from '../support/doc-blocks.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { installationIn } from '../support/installation.ts';
import { lightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { strongSecret } from '../support/token-keys.ts';
import { openPlatform } from './platform.ts';
import type { Line, Platform } from './platform.ts';
import { startWriters } from './writers.ts';
import type { Acknowledged, Refusal } from './writers.ts';

/** The lines of docs/rollback.md, in order: to memory, the process in memory, and back. */
async function linesOfPage(): Promise<readonly [string, string, string]> {
  const blocks = (await blocksOf('docs/rollback.md')).filter(
    ({ mark }) => mark?.kind === 'run by' && mark.file === 'test/rollback/rehearsal.test.ts',
  );
  expect(blocks).toHaveLength(3);
  return blocks.map(({ code }) => code.trim()) as unknown as readonly [string, string, string];
}

const kinds = ['embedded', ...(noServer ? [] : ['server'])] as const;

describe.each(kinds)('the rehearsal of docs/rollback.md (%s)', (kind) => {
  let made: MigratedDatabase | null = null;
  let platform: Platform;
  let token: string;
  const planner = `planner_${randomBytes(4).toString('hex')}`;

  beforeAll(async () => {
    if (kind === 'server') {
      made = await migratedDatabase();
      const { api, migrate, worker, backup } = made.urls;
      platform = await openPlatform(
        {
          DB_ROLE_PREFIX: testRolePrefix,
          DATABASE_URL: api,
          MIGRATE_DATABASE_URL: migrate,
          WORKER_DATABASE_URL: worker,
          BACKUP_DATABASE_URL: backup,
          DEPLOYMENT: 'development',
        },
        null,
      );
    } else platform = await openPlatform({ DB_ROLE_PREFIX: testRolePrefix }, await migratedDataDirectory());
    const printed = await lightning(['token', '--role', 'service', '--subject', 'rehearsal'], {
      JWT_SECRET: strongSecret,
      DATA_DIR: platform.dataDirectory,
      ...(made ? { DATABASE_URL: made.urls.api } : {}),
    });
    token = printed.stdout.trim();
  });
  afterAll(async () => {
    await platform?.close();
    if (made) {
      const operator = serverDatabase(made.urls.migrate);
      await dropLogin(installationIn(operator), planner).catch(() => {});
      await operator.close();
    }
    await made?.drop();
  });

  const call = async (
    method: string,
    what: string,
    body?: unknown,
  ): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(`${platform.url}/rest/v1/${what}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        prefer: 'return=representation',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  };

  test('loses no acknowledged write on the way to memory and back, with writers at every door', async () => {
    const [toMemory, inMemory, toDatabase] = await linesOfPage();
    let services: Line = platform.run('lightning start');
    await services.says(/REST/);
    for (const id of ['stays', 'changes', 'goes'])
      expect((await call('POST', 'agents', { id, name: id, model: 'none' })).status).toBe(201);
    const ended = randomUUID();
    await call('POST', 'rpc/enqueue_task', { description: 'ended before', idempotency_key: 'once' });
    await call('POST', 'tasks', { id: ended, description: 'of no interest' });
    await call('DELETE', `tasks?id=eq.${ended}`);
    const kept = (
      await call('POST', 'rpc/enqueue_task', { description: 'keeps its key', idempotency_key: 'key' })
    ).body as { id: string };
    const thread = randomUUID();
    await call('POST', 'threads', { id: thread });
    await call('POST', 'rpc/append_messages', {
      thread_id: thread,
      messages: [{ role: 'user', content: 'said before' }],
    });

    const login = made ? await serviceLogin(made) : null;
    const writers = startWriters(platform.url, token, login ? { SQL: login.write } : {});
    await expect.poll(() => writers.acknowledged.length).toBeGreaterThan(40);

    const way = platform.run(toMemory);
    await way.says(/^3\/5 switch/m);
    const stoppedAt = Date.now();
    await expect.poll(() => writers.refusals.size).toBe(login ? 5 : 4);
    const refused = (code: string): Refusal => ({ status: 503, code, retryAfter: '15' });
    expect(Object.fromEntries(writers.refusals)).toEqual({
      REST: refused('LTO01'),
      'REST, another table': refused('LTO01'),
      'REST, points': refused('LTO01'),
      GraphQL: { ...refused('WRITES_STOPPED'), status: 200 },
      ...(login ? { SQL: { status: 0, code: 'LTO01', retryAfter: null } } : {}),
    });
    expect((await call('GET', 'agents?id=eq.stays')).status).toBe(200);
    await platform.end(services);
    const memory = platform.run(inMemory);
    expect({ status: await way.status, stderr: way.stderr() }).toMatchObject({ status: 0 });
    expect(way.stdout()).toMatch(/^5\/5 the critical data are in memory/m);
    await memory.says(/REST/);
    expect((await fetch(`${platform.url}/healthz`)).headers.get('lightning-storage')).toBe('memory');

    const before = writers.acknowledged.length;
    await expect.poll(() => writers.acknowledged.length).toBeGreaterThan(before + 20);
    expect((await call('GET', `threads?id=eq.${thread}`)).body).toEqual([]);
    expect((await call('PATCH', 'agents?id=eq.changes', { name: 'changed in memory' })).status).toBe(200);
    expect((await call('DELETE', 'agents?id=eq.goes')).status).toBe(200);
    // A call that is repeated finds its task, and an agent works on it.
    expect(
      (await call('POST', 'rpc/enqueue_task', { description: 'keeps its key', idempotency_key: 'key' })).body,
    ).toMatchObject({ id: kept.id });
    expect((await call('PATCH', `tasks?id=eq.${kept.id}`, { priority: 'critical' })).status).toBe(200);

    const back = platform.run(toDatabase);
    expect({ status: await back.status, stderr: back.stderr() }).toMatchObject({ status: 0 });
    expect(back.stdout()).toMatch(/^4\/4 switch back/m);
    expect(back.stdout()).toMatch(/^ {4}app_public\.agents\t\d+ written\t1 deleted$/m);
    const inMemoryAcknowledged = writers.acknowledged.length;
    expect((await call('POST', 'agents', { id: 'late', name: 'late', model: 'none' })).status).toBe(503);
    await platform.end(memory);
    services = platform.run('lightning start');
    await services.says(/REST/);
    await expect.poll(() => writers.acknowledged.length).toBeGreaterThan(inMemoryAcknowledged + 20);
    await writers.stop();
    await login?.close();

    expect(
      (await call('GET', 'agents?id=in.(stays,changes,goes,late)&select=id,name&order=id')).body,
    ).toEqual([
      { id: 'changes', name: 'changed in memory' },
      { id: 'stays', name: 'stays' },
    ]);
    expect((await call('GET', `messages?thread_id=eq.${thread}&select=content`)).body).toEqual([
      { content: 'said before' },
    ]);
    expect((await call('GET', `tasks?id=eq.${kept.id}&select=description,priority`)).body).toEqual([
      { description: 'keeps its key', priority: 'critical' },
    ]);
    expect(await missing(writers.acknowledged, call)).toEqual([]);
    const exported = await rowsOf(path.join(platform.directory, 'way/everything'));
    const early = writers.acknowledged.filter(({ at }) => at < stoppedAt);
    expect(early.length).toBeGreaterThan(40);
    expect(early.filter(({ table, id }) => !exported.has(`${table} ${id}`))).toEqual([]);

    const verified = platform.run('lightning jobs run seal_audit && lightning audit verify --rows');
    expect([await verified.status, verified.stdout() + verified.stderr()]).toEqual([0, expect.anything()]);
    expect(await readdir(platform.dataDirectory)).not.toContain('in-memory-awaits');
  }, 240_000);

  async function serviceLogin(database: MigratedDatabase): Promise<{
    write: () => Promise<Acknowledged | Refusal>;
    close(): Promise<void>;
  }> {
    const operator = serverDatabase(database.urls.migrate);
    const password = await createLogin(installationIn(operator), planner, 'default', {}, { role: 'service' });
    await operator.close();
    const url = Object.assign(new URL(database.url), { username: planner, password });
    const client = new Client({ connectionString: url.href });
    // The database goes when the test has failed.
    client.on('error', () => {});
    await client.connect();
    return {
      write: async () => {
        const id = randomUUID();
        try {
          await client.query("insert into workflows (id, name) values ($1, 'by SQL')", [id]);
          return { table: 'app_public.workflows', id, at: Date.now() };
        } catch (error) {
          return { status: 0, code: (error as { code: string }).code, retryAfter: null };
        }
      },
      close: () => client.end(),
    };
  }
});

/** Acknowledged rows that the API does not show. */
async function missing(
  acknowledged: readonly Acknowledged[],
  call: (method: string, what: string) => Promise<{ body: unknown }>,
): Promise<readonly Acknowledged[]> {
  const found = new Set<string>();
  for (const table of new Set(acknowledged.map((each) => each.table))) {
    const { body } = await call('GET', `${table.split('.')[1]}?select=id`);
    for (const { id } of body as { id: string | number }[]) found.add(`${table} ${id}`);
  }
  return acknowledged.filter(({ table, id }) => !found.has(`${table} ${id}`));
}

/** The rows of an export, as `table id`. */
async function rowsOf(folder: string): Promise<ReadonlySet<string>> {
  const keys = { encryptionKey: null, signatures: noSignatures };
  const opened = await openExport(folder, keys, () => {});
  const found = new Set<string>();
  for (const file of opened.manifest.tables) {
    let text = '';
    for await (const piece of opened.read(file)) text += piece.toString('utf8');
    for (const line of text.split('\n').filter(Boolean))
      found.add(`${file.table} ${(JSON.parse(line) as { id?: string | number }).id}`);
  }
  return found;
}
