import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import { embeddedConnectionString } from '../../src/db/embedded/embedded.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { answerJson, embeddingOf, startEmbeddingsServer } from '../support/embeddings-server.ts';
import type { EmbeddingsRequest, EmbeddingsServer } from '../support/embeddings-server.ts';
import { spawnLightning } from '../support/lightning.ts';
import type { Spawned } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';

/** A request that a worker waits for, in the middle of its job. */
interface Held {
  answer(): void;
}

/** Holds the next request to the endpoint; resolves once it has come. */
function holdNext(endpoint: EmbeddingsServer): Promise<Held> {
  const { promise, resolve } = Promise.withResolvers<Held>();
  endpoint.next.push((response: ServerResponse, { input }: EmbeddingsRequest) => {
    resolve({
      answer: () =>
        answerJson(response, 200, {
          data: input.map((text, index) => ({ index, embedding: embeddingOf(text) })),
        }),
    });
  });
  return promise;
}

const addKnowledge =
  "insert into app_public.knowledge (tenant_id, id, content) values ('default', 'one', 'text')";
/** Tried once only, like the job of the crontab. */
const addJob = "select id from graphile_worker.add_job('embed_knowledge', max_attempts => 1)";
const embedded = async (admin: Client) =>
  (await admin.query('select embedding is not null as done from app_public.knowledge')).rows;
const runs = async (admin: Client, job: string) =>
  (
    await admin.query(
      `select r.outcome, w.pid from ops.job_runs r left join ops.workers w on w.id = r.worker
       where r.job_id = $1 order by r.id`,
      [job],
    )
  ).rows;

describe.skipIf(noServer)('a worker of a server', () => {
  let fresh: MigratedDatabase;
  let admin: Client;
  let endpoint: EmbeddingsServer;
  const workers: Spawned[] = [];

  beforeAll(async () => {
    fresh = await migratedDatabase();
    admin = new Client(fresh.adminUrl);
    await admin.connect();
  });
  beforeEach(async () => {
    endpoint = await startEmbeddingsServer();
    await admin.query('delete from app_public.knowledge');
  });
  afterEach(async () => {
    for (const { process } of workers.splice(0)) process.kill('SIGKILL');
    await endpoint.close();
  });
  afterAll(async () => {
    await admin?.end();
    await fresh?.drop();
  });

  /** `lightning work`; resolves once it is seen. */
  const work = async (): Promise<Spawned> => {
    const worker = spawnLightning(['work'], {
      DATABASE_URL: fresh.urls.api,
      WORKER_DATABASE_URL: fresh.urls.worker,
      JWT_SECRET: 'x'.repeat(32),
      DB_ROLE_PREFIX: testRolePrefix,
      EMBEDDINGS_URL: endpoint.url,
    });
    workers.push(worker);
    await expect
      .poll(() => admin.query('select from ops.workers where pid = $1', [worker.process.pid]), {
        timeout: 20_000,
      })
      .toMatchObject({ rowCount: 1 });
    return worker;
  };
  /** A worker in the middle of a job. */
  const working = async () => {
    const worker = await work();
    await admin.query(addKnowledge);
    const held = holdNext(endpoint);
    const { id: job } = (await admin.query<{ id: string }>(addJob)).rows[0]!;
    const request = await held;
    const { rows } = await admin.query(
      'select j.state, w.pid from ops.jobs j join ops.workers w on w.id = j.worker where j.id = $1',
      [job],
    );
    expect(rows).toEqual([{ state: 'running', pid: worker.process.pid }]);
    expect(await runs(admin, job)).toEqual([{ outcome: 'running', pid: worker.process.pid }]);
    return { worker, job, request };
  };
  /** As if it had not been seen for a minute. */
  const letAMinutePass = async ({ process }: Spawned) =>
    admin.query("update ops.workers set seen_at = seen_at - interval '1 minute' where pid = $1", [
      process.pid,
    ]);

  test('that is killed in the middle of a job: another one does the job', async () => {
    const { worker, job } = await working();
    worker.process.kill('SIGKILL');
    await worker.ended;
    expect(await embedded(admin)).toEqual([{ done: false }]);
    await letAMinutePass(worker);
    const next = await work();
    await expect.poll(() => embedded(admin), { timeout: 10_000 }).toEqual([{ done: true }]);
    await expect
      .poll(() => runs(admin, job))
      .toEqual([
        { outcome: 'abandoned', pid: worker.process.pid },
        { outcome: 'succeeded', pid: next.process.pid },
      ]);
    expect(next.log()).toMatch(/"event":"job-taken-over"/);
  }, 90_000);

  test('that is suspended, taken for dead, and comes back changes nothing of what its successor is at', async () => {
    const { worker, job, request } = await working();
    worker.process.kill('SIGSTOP');
    await letAMinutePass(worker);
    const held = holdNext(endpoint);
    const next = await work();
    const nextRequest = await held;
    expect(await runs(admin, job)).toEqual([
      { outcome: 'abandoned', pid: worker.process.pid },
      { outcome: 'running', pid: next.process.pid },
    ]);

    worker.process.kill('SIGCONT');
    request.answer();
    // It ends its work, finds that it is not its own any more, and leaves the job to its successor.
    await expect.poll(() => worker.log(), { timeout: 10_000 }).toMatch(/run \d+ of embed_knowledge is lost/);
    const { rows } = await admin.query(
      'select j.state, w.pid from ops.jobs j join ops.workers w on w.id = j.worker where j.id = $1',
      [job],
    );
    expect(rows).toEqual([{ state: 'running', pid: next.process.pid }]);
    nextRequest.answer();
    await expect
      .poll(() => runs(admin, job))
      .toEqual([
        { outcome: 'abandoned', pid: worker.process.pid },
        { outcome: 'succeeded', pid: next.process.pid },
      ]);
    await expect
      .poll(async () => (await admin.query('select from ops.jobs where id = $1', [job])).rowCount)
      .toBe(0);
    expect(await embedded(admin)).toEqual([{ done: true }]);
  }, 90_000);
});

describe('a worker of an embedded database', () => {
  let directory: string;
  let endpoint: EmbeddingsServer;
  const undo: (() => unknown)[] = [];
  beforeAll(async () => {
    directory = await migratedDataDirectory();
    endpoint = await startEmbeddingsServer();
  });
  afterAll(async () => {
    for (const end of undo.toReversed()) await end();
    await endpoint?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** `lightning work`, which runs the database too. */
  const work = async () => {
    const worker = spawnLightning(['work'], {
      DATA_DIR: directory,
      DB_ROLE_PREFIX: testRolePrefix,
      EMBEDDINGS_URL: endpoint.url,
    });
    undo.push(() => worker.process.kill('SIGKILL'));
    const connect = async () => {
      const client = new Client({ connectionString: embeddedConnectionString(directory) });
      client.on('error', () => {});
      await client.connect();
      const { rowCount } = await client.query('select from ops.workers where pid = $1', [worker.process.pid]);
      if (rowCount === 1) return client;
      await client.end();
      throw new Error('it does not work yet');
    };
    let admin: Client | undefined;
    await expect.poll(async () => (admin = await connect()), { timeout: 30_000 }).toBeDefined();
    undo.push(() => admin?.end().catch(() => {}));
    return { worker, admin: admin! };
  };

  test('that is killed in the middle of a job does the job when it starts again, without waiting', async () => {
    const first = await work();
    await first.admin.query(addKnowledge);
    const held = holdNext(endpoint);
    const { id: job } = (await first.admin.query<{ id: string }>(addJob)).rows[0]!;
    await held;
    expect(await runs(first.admin, job)).toEqual([{ outcome: 'running', pid: first.worker.process.pid }]);
    first.worker.process.kill('SIGKILL');
    await first.worker.ended;

    const second = await work();
    await expect.poll(() => embedded(second.admin), { timeout: 10_000 }).toEqual([{ done: true }]);
    await expect
      .poll(() => runs(second.admin, job))
      .toEqual([
        { outcome: 'abandoned', pid: first.worker.process.pid },
        { outcome: 'succeeded', pid: second.worker.process.pid },
      ]);
  }, 90_000);
});
