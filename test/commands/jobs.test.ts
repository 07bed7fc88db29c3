import { rm } from 'node:fs/promises';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asReader } from '../../src/commands/database-access.ts';
import { formatJob, listJobs, runJobNow } from '../../src/commands/jobs.ts';
import { operationsStatus } from '../../src/commands/operations-status.ts';
import { UsageError } from '../../src/commands/usage-error.ts';
import type { Executor } from '../../src/db/database.ts';
import { makeEmbed, patient } from '../../src/embeddings/embedding-client.ts';
import { recordRun } from '../../src/jobs/job-run.ts';
import { startWorker } from '../../src/jobs/worker.ts';
import type { RunningWorker } from '../../src/jobs/worker.ts';
import { commandContext } from '../support/command-context.ts';
import { answerJson, embeddingOf, startEmbeddingsServer } from '../support/embeddings-server.ts';
import type { EmbeddingsServer } from '../support/embeddings-server.ts';
import { connectToWorker } from '../support/embedded-worker.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightning, spawnLightning } from '../support/lightning.ts';
import type { Spawned } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { startWebhook } from '../support/webhook.ts';
import type { Webhook } from '../support/webhook.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

/** More rows than fit into one request to the endpoint, so that the job can be caught in the middle. */
const addKnowledge =
  "insert into app_public.knowledge (tenant_id, id, content) select 'default', 'k' || i, 'text ' || i from generate_series(1, 70) i";

/** Lets one request through and holds the next. Resolves once it has arrived, with a function that releases it. */
function holdSecond(endpoint: EmbeddingsServer): Promise<() => void> {
  const { promise, resolve } = Promise.withResolvers<() => void>();
  endpoint.next.push(
    () => false,
    (response, { input }) =>
      resolve(() =>
        answerJson(response, 200, {
          data: input.map((text, index) => ({ index, embedding: embeddingOf(text) })),
        }),
      ),
  );
  return promise;
}

describe.skipIf(noServer)('jobs and status, on a server', () => {
  let target: WorkerTarget;
  let endpoint: EmbeddingsServer;
  let worker: RunningWorker | undefined;
  let executor: Executor;
  const run = (task: string, payload?: string) => {
    const lines: string[] = [];
    const end = runJobNow({ executor, task, payload, print: (text) => lines.push(text) });
    return { lines, end };
  };
  const statusLines = async (database: Executor = executor) =>
    (await operationsStatus(database)).map(
      ({ name, ok, found }) => `${ok ? 'ok' : 'MEND'} ${name}: ${found}`,
    );

  beforeAll(async () => {
    const open = workerTargets.find(([kind]) => kind === 'server')?.[1];
    target = await open!();
    executor = target.database;
    endpoint = await startEmbeddingsServer();
  });
  afterAll(async () => {
    await worker?.stop();
    await endpoint?.close();
    await target?.close();
  });

  test('before the first worker the queue is missing, and nothing runs a job', async () => {
    expect(await statusLines()).toEqual([
      'ok workers: none is running',
      'ok jobs: 0 waiting, 0 running, 0 failed for good',
    ]);
    expect(await listJobs(executor)).toEqual([]);
    await expect(run('trim_events').end).rejects.toThrow(/^no worker is running/);
  });

  test('an unknown job, or a payload that does not fit the job, is refused before it enters the queue', async () => {
    await expect(run('tidy_up').end).rejects.toThrow(
      /^job "tidy_up" does not exist; expected one of .*trim_events/,
    );
    await expect(run('trim_events', '{"all": true}').end).rejects.toThrow(
      'the payload has a member "all"; expected none',
    );
    await expect(run('trim_events', '{').end).rejects.toThrow(UsageError);
  });

  test('a running job is followed to its end, and everybody sees its progress meanwhile', async () => {
    worker = await startWorker({
      pool: target.pool,
      executor,
      kind: 'server',
      embed: makeEmbed({ url: endpoint.url, model: 'm', apiKey: null }, patient),
      alertWebhook: null,
      presenceEveryMs: 200,
      log: () => {},
    });
    await expect.poll(async () => (await statusLines())[0]).toMatch(/^ok workers: \S+ since \d{4}/);
    await target.admin.query(addKnowledge);
    const held = holdSecond(endpoint);
    const { lines, end } = run('embed_knowledge');
    const goOn = await held;
    await expect.poll(() => lines.at(-1)).toBe('64 items so far');
    await expect
      .poll(() => statusLines())
      .toEqual([
        expect.stringMatching(/^ok workers: /),
        expect.stringMatching(/^ok jobs: \d+ waiting, 1 running, 0 failed for good$/),
        expect.stringMatching(/^ok running: embed_knowledge for 00:00:\d\d on \S+: 64 items so far$/),
      ]);
    const listed = (await listJobs(executor)).map(formatJob);
    expect(listed[0]).toMatch(/^\d+\tembed_knowledge\trunning\t\S+\t1\/1\t64 items so far$/);
    goOn();
    expect(await end).toBe('succeeded');
    expect(lines.at(-1)).toBe('done: embedded 70 items of knowledge; the endpoint refused 0');
  });

  test('a job with nothing to do says so, and a failing job says why and leaves nothing in the queue', async () => {
    const idle = run('ensure_partitions');
    expect(await idle.end).toBe('succeeded');
    expect(idle.lines.at(-1)).toBe('done: there was nothing to do');
    await target.admin.query('alter function ops.trim_events rename to gone');
    const failing = run('trim_events');
    expect(await failing.end).toBe('failed');
    expect(failing.lines.at(-1)).toMatch(/^failed: function ops.trim_events\(interval\) does not exist$/);
    await target.admin.query('alter function ops.gone rename to trim_events');
    await expect
      .poll(async () => (await listJobs(executor)).filter(({ state }) => state === 'failed'))
      .toEqual([]);
  });

  test('a job whose lock is taken says so', async () => {
    await recordRun(executor, { task: 'embed_knowledge', lock: 'embed_knowledge' }, async () => {
      const busy = run('embed_knowledge');
      expect(await busy.end).toBe('failed');
      expect(busy.lines.at(-1)).toMatch(/^another run holds its lock/);
    });
  });

  test('a job whose worker is stopped says so, and the next worker runs it', async () => {
    await target.admin.query(addKnowledge.replace("'k' || i", "'later' || i"));
    const held = holdSecond(endpoint);
    const { lines, end } = run('embed_knowledge');
    await held;
    await worker?.stop();
    worker = undefined;
    expect(await end).toBe('failed');
    expect(lines.at(-1)).toBe('stopped: the worker was told to stop; the next worker runs the job');
    // The one that waits for its lock comes later.
    const next = (await listJobs(executor)).find(({ task }) => task === 'embed_knowledge');
    expect(next).toMatchObject({ state: 'waiting', attempts: 0, max_attempts: 1, last_error: null });
  });

  test('status shows open alerts, and demands a remedy only for errors', async () => {
    await target.admin.query(`select ops.report_alerts('test', '[
      {"subject": "a", "severity": "warning", "message": "it is warm"},
      {"subject": "b", "severity": "error", "message": "it burns"}]')`);
    expect((await statusLines()).slice(-2)).toEqual([
      'MEND alert: test: it burns',
      'ok warning: test: it is warm',
    ]);
  });

  test('an operator and the migrations login read all views of operations, and nobody else does', async () => {
    const { rows: views } = await target.admin.query<{ name: string }>(
      "select format('ops.%I', relname) as name from pg_class where relnamespace = 'ops'::regnamespace and relkind = 'v' and relname not in ('tenants', 'login_limits')",
    );
    expect(views.length).toBeGreaterThanOrEqual(8);
    const tables = ['ops.job_runs', 'ops.workers', 'ops.job_tasks', 'ops.alerts'];
    for (const name of [...views.map((view) => view.name), ...tables]) {
      for (const role of ['operator', 'worker']) {
        await target.admin.query(`begin; set local role ${testRolePrefix}_${role}`);
        await target.admin.query(`select * from ${name}`);
        await target.admin.query('rollback');
      }
      for (const role of ['anon', 'member', 'service', 'admin', 'analyst', 'search', 'jobs']) {
        await target.admin.query(`begin; set local role ${testRolePrefix}_${role}`);
        await expect(target.admin.query(`select * from ${name}`)).rejects.toMatchObject({ code: '42501' });
        await target.admin.query('rollback');
      }
    }
    const { WORKER_DATABASE_URL: _, ...migrations } = target.env;
    expect(await asReader(commandContext(migrations).context, statusLines)).toEqual(await statusLines());
  });
});

describe('lightning jobs, status and alerts, beside the process that runs an embedded database', () => {
  let directory: string;
  let webhook: Webhook;
  let worker: Spawned;
  let admin: Client;
  const env = () => ({
    DATA_DIR: directory,
    DB_ROLE_PREFIX: testRolePrefix,
    ALERT_WEBHOOK_URL: webhook.url.reveal(),
  });

  beforeAll(async () => {
    directory = await migratedDataDirectory();
    webhook = await startWebhook();
    worker = spawnLightning(['work'], env());
    admin = await connectToWorker(directory, worker);
  });
  afterAll(async () => {
    await admin?.end();
    worker?.process.kill('SIGKILL');
    await webhook?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('run a job there and show its progress, and status --check exits with 3 on alerts', async () => {
    const held = webhook.hold('fire drill');
    const payload = JSON.stringify({ text: 'fire drill' });
    const running = spawnLightning(['jobs', 'run', 'send_alert', '--payload', payload], env());
    let said = '';
    running.process.stdout.on('data', (data) => (said += String(data)));
    const goOn = await held;
    await expect.poll(() => said).toMatch(/^sends fire drill$/m);
    goOn();
    const { status: ended, stdout } = await running.ended;
    expect(stdout).toMatch(
      /^job \d+ is queued.*\n(waiting\n|running\n)*sends fire drill\ndone: sent fire drill$/m,
    );
    expect(ended).toBe(0);

    await admin.query(
      `select ops.report_alerts('test', '[{"subject": "b", "severity": "error", "message": "it burns"}]')`,
    );
    const status = await lightning(['status', '--check'], env());
    expect(status.stdout).toMatch(/^ok {3,}workers +\S+ since /m);
    expect(status.stdout).toMatch(/^MEND alert +test: it burns$/m);
    expect(status.status).toBe(3);
    const alerts = await lightning(['alerts'], env());
    expect(alerts.stdout).toMatch(/^error\ttest\traised \S+\topen\tit burns$/m);
  }, 120_000);
});
