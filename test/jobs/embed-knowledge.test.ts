import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeEmbed } from '../../src/embeddings/embedding-client.ts';
import { embedKnowledge } from '../../src/jobs/embed-knowledge.ts';
import { startWorker } from '../../src/jobs/worker.ts';
import type { PostgresDatabase } from '../../src/db/postgres.ts';
import { roleName } from '../../src/db/roles.ts';
import type { Executor } from '../../src/db/database.ts';
import type { Statement } from '../../src/db/statement.ts';
import type { LogEntry } from '../../src/log.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { answerJson, refusedWord, startEmbeddingsServer } from '../support/embeddings-server.ts';
import type { EmbeddingsServer } from '../support/embeddings-server.ts';
import { testRolePrefix } from '../support/logins.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

const never = new AbortController().signal;

describe.each(apiTargets)('the embedding job on %s', (_kind, open) => {
  let target: ApiTarget;
  let worker: Executor;
  let server: EmbeddingsServer;
  const run = (signal = never) =>
    embedKnowledge(
      worker,
      makeEmbed(
        { url: server.url, model: 'm', apiKey: null },
        { attempts: 2, timeoutMs: 5_000, firstPauseMs: 1 },
      ),
      signal,
    );
  const state = async () =>
    (
      await target.admin.query<{ id: string; embedded: boolean; error: string | null }>(`
        select tenant_id || ' ' || id as id, embedding is not null as embedded, embedding_error as error
        from app_public.knowledge order by 1`)
    ).rows;

  beforeAll(async () => {
    target = await open();
    // The role has its own rights and nothing more: the embedded database's login is a superuser.
    worker = {
      query: async <Row>({ text, values }: Statement) => {
        await target.admin.query(`begin; set local role ${roleName(testRolePrefix, 'worker')}`);
        try {
          const { rows, rowCount } = await target.admin.query(text, [...(values ?? [])]);
          return { rows: rows as Row[], rowCount };
        } finally {
          await target.admin.query('commit');
        }
      },
    };
    server = await startEmbeddingsServer();
    await target.admin.query("select ops.create_tenant('acme', 'Acme'), ops.create_tenant('rival', 'Rival')");
  });
  afterEach(async () => {
    server.requests.length = 0;
    server.next.length = 0;
    await target.admin.query('delete from app_public.knowledge');
  });
  afterAll(async () => {
    await server?.close();
    await target?.close();
  });

  const insert = (count: number, tenant = 'acme') =>
    target.admin.query(
      `insert into app_public.knowledge (tenant_id, id, content)
       select $1, 'k' || n, 'text ' || n from generate_series(1, $2) n`,
      [tenant, count],
    );

  test('embeds rows without an embedding, of every tenant, in batches', async () => {
    await insert(100);
    await insert(50, 'rival');
    expect(await run()).toEqual({ embedded: 150, refused: 0 });
    expect((await state()).filter((row) => row.embedded)).toHaveLength(150);
    expect(server.requests.map(({ input }) => input.length)).toEqual([64, 64, 22]);
    // The second run does nothing.
    expect(await run()).toEqual({ embedded: 0, refused: 0 });
    expect(server.requests).toHaveLength(3);
  });

  test('records why a text is refused, embeds the others, and retries it once it has changed', async () => {
    await insert(5);
    await target.admin.query("update app_public.knowledge set content = $1 where id = 'k3'", [refusedWord]);
    expect(await run()).toEqual({ embedded: 4, refused: 1 });
    expect((await state())[2]).toEqual({
      id: 'acme k3',
      embedded: false,
      error: `the embeddings endpoint answered 400: will not embed ${refusedWord} texts`,
    });
    server.requests.length = 0;
    expect(await run()).toEqual({ embedded: 0, refused: 0 });
    expect(server.requests).toEqual([]);
    await target.admin.query("update app_public.knowledge set content = 'better' where id = 'k3'");
    expect(await run()).toEqual({ embedded: 1, refused: 0 });
    expect((await state())[2]).toEqual({ id: 'acme k3', embedded: true, error: null });
  });

  test('keeps its embeddings when the endpoint goes away, and blames no row', async () => {
    await insert(70);
    const gone: EmbeddingsServer['next'][number] = (response) => answerJson(response, 503, {});
    server.next.push(() => false, gone, gone, gone, gone);
    await expect(run()).rejects.toMatchObject({ reason: 'unavailable' });
    expect((await state()).filter((row) => row.embedded)).toHaveLength(64);
    expect((await state()).filter((row) => row.error !== null)).toEqual([]);
    expect(await run()).toEqual({ embedded: 6, refused: 0 });
  });

  test('does not store an embedding of outdated content', async () => {
    await insert(1);
    let changed: Promise<unknown> | undefined;
    server.next.push((response, { input }) => {
      changed = target.admin
        .query("update app_public.knowledge set content = 'changed meanwhile' where id = 'k1'")
        .then(() =>
          answerJson(response, 200, { data: input.map(() => ({ embedding: Array(1536).fill(1) })) }),
        );
    });
    expect(await run()).toEqual({ embedded: 0, refused: 0 });
    await changed;
    expect(await state()).toEqual([{ id: 'acme k1', embedded: false, error: null }]);
    expect(await run()).toEqual({ embedded: 1, refused: 0 });
  });

  test('ends between two requests when it is told to', async () => {
    await insert(100);
    const stop = new AbortController();
    server.next.push(() => {
      setImmediate(() => stop.abort(new Error('told to')));
      return false;
    });
    // The stop comes during a request or after it; either way the rest is left.
    await run(stop.signal).catch((error: Error) => {
      if (error.message !== 'told to') throw error;
    });
    expect(server.requests).toHaveLength(1);
  });
});

describe.skipIf(noServer)("the worker's login", () => {
  let fresh: MigratedDatabase;
  let worker: PostgresDatabase;
  let server: EmbeddingsServer;

  beforeAll(async () => {
    fresh = await migratedDatabase();
    worker = serverDatabase(fresh.urls.worker);
    server = await startEmbeddingsServer();
  });
  afterAll(async () => {
    await server?.close();
    await worker?.close();
    await fresh?.drop();
  });

  test('may do what the job does, and cannot read or write anything else in knowledge', async () => {
    const admin = serverDatabase(fresh.adminUrl);
    await admin.query({
      text: "insert into app_public.knowledge (tenant_id, id, content) values ('default', 'one', 'text')",
    });
    await admin.close();
    const embed = makeEmbed(
      { url: server.url, model: 'm', apiKey: null },
      { attempts: 1, timeoutMs: 5_000, firstPauseMs: 1 },
    );
    expect(await embedKnowledge(worker, embed, never)).toEqual({ embedded: 1, refused: 0 });
    for (const text of [
      'select metadata from app_public.knowledge',
      "update app_public.knowledge set content = 'x'",
      'delete from app_public.knowledge',
      "insert into app_public.knowledge (tenant_id, content) values ('default', 'x')",
    ])
      await expect(worker.query({ text })).rejects.toMatchObject({ code: '42501' });
  });

  test('runs the job, and reports what it did', async () => {
    const admin = serverDatabase(fresh.adminUrl);
    const pool = new Pool({ connectionString: fresh.urls.worker });
    pool.on('error', () => {});
    const logged: LogEntry[] = [];
    const running = await startWorker({
      pool,
      executor: worker,
      kind: 'server',
      embed: makeEmbed(
        { url: server.url, model: 'm', apiKey: null },
        { attempts: 1, timeoutMs: 5_000, firstPauseMs: 1 },
      ),
      alertWebhook: null,
      log: (entry) => logged.push(entry),
    });
    try {
      await admin.query({
        text: "insert into app_public.knowledge (tenant_id, id, content) values ('default', 'two', 'text')",
      });
      await admin.query({ text: "select graphile_worker.add_job('embed_knowledge')" });
      await expect
        .poll(() => logged.filter(({ event }) => event === 'job-done'), { timeout: 15_000 })
        .toMatchObject([
          {
            level: 'info',
            message: 'embed_knowledge: embedded 1 items of knowledge; the endpoint refused 0',
            task: 'embed_knowledge',
          },
        ]);
    } finally {
      await running.stop();
      await pool.end();
      await admin.close();
    }
  });
});
