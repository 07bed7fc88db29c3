import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import { migrate } from '../../src/db/migrations.ts';
import { startWorker } from '../../src/jobs/worker.ts';
import type { RunningWorker } from '../../src/jobs/worker.ts';
import type { LogEntry } from '../../src/log.ts';
import { openConnections, workerDatabase } from '../../src/open-database.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { migratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

/** A migrated database, and the way to remove it. */
interface Target {
  readonly settings: Readonly<Record<string, string>>;
  readonly adminUrl: string | null;
  remove(): Promise<void>;
}

const targets: readonly (readonly [kind: string, make: () => Promise<Target>])[] = [
  [
    'embedded',
    async () => {
      const directory = await migratedDataDirectory();
      return {
        settings: { DATA_DIR: directory },
        adminUrl: null,
        remove: () => rm(directory, { recursive: true, force: true }),
      };
    },
  ],
  ...(noServer
    ? []
    : [
        [
          'server',
          async () => {
            const { urls, adminUrl, drop } = await migratedDatabase();
            return {
              settings: {
                DATABASE_URL: urls.api,
                WORKER_DATABASE_URL: urls.worker,
                JWT_SECRET: strongSecret,
              },
              adminUrl,
              remove: drop,
            };
          },
        ] as const,
      ]),
];

describe.each(targets)("the worker's reaper (%s)", (_kind, make) => {
  const logged: LogEntry[] = [];
  const undo: (() => Promise<unknown>)[] = [];
  let admin: Client;
  let worker: RunningWorker;

  beforeAll(async () => {
    const target = await make();
    undo.push(target.remove);
    const config = parseConfig({ ...target.settings, DB_ROLE_PREFIX: testRolePrefix });
    const connections = await openConnections(config, () => {}, { attach: false });
    undo.push(() => connections.close());
    if (target.adminUrl === null)
      await migrate({ connectionString: connections.api!, rolePrefix: testRolePrefix, log: () => {} });
    admin = new Client({ connectionString: target.adminUrl ?? connections.api! });
    await admin.connect();
    undo.push(() => admin.end());
    const { pool, database, close } = workerDatabase(connections, config, () => {});
    undo.push(close);
    worker = await startWorker({
      pool,
      executor: database,
      kind: connections.kind,
      embed: null,
      alertWebhook: null,
      log: (entry) => logged.push(entry),
      reapEveryMs: 100,
    });
    undo.push(() => worker.stop());
  });
  afterAll(async () => {
    for (const end of undo.toReversed()) await end();
  });

  /** A task whose holder has missed its time. */
  const abandoned = async (): Promise<string> => {
    const { rows } = await admin.query<{ id: string }>(`
      with task as (
        insert into app_public.tasks (tenant_id, description, status, attempt) values ('default', 'work', 'running', 1)
        returning id
      )
      insert into app_public.task_leases (
        tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
      )
      select 'default', id, nextval('app_private.fencing_tokens'), 1, 'ada', '1 minute', now(), now(), now() from task
      returning task_id as id`);
    return rows[0]!.id;
  };
  const statusOf = async (id: string) =>
    (await admin.query<{ status: string }>('select status from app_public.tasks where id = $1', [id])).rows[0]
      ?.status;
  const events = (event: string) => logged.filter((entry) => entry.event === event);

  test('takes back an expired lease without a claim, and says so', async () => {
    const id = await abandoned();
    await expect.poll(() => statusOf(id), { timeout: 10_000 }).toBe('pending');
    const { rows } = await admin.query('select from app_public.task_leases');
    expect(rows).toEqual([]);
    await expect.poll(() => events('leases-reaped')).toMatchObject([{ level: 'info', tasks: 1 }]);
  });

  test('continues after an error, with a line in the log', async () => {
    await admin.query('alter function ops.reap_expired_leases rename to gone');
    const id = await abandoned();
    await expect.poll(() => events('leases-not-reaped').length, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(events('leases-not-reaped')[0]).toMatchObject({
      level: 'error',
      message: expect.stringMatching(/reap_expired_leases/),
    });
    expect(await statusOf(id)).toBe('running');
    await admin.query('alter function ops.gone rename to reap_expired_leases');
    await expect.poll(() => statusOf(id), { timeout: 10_000 }).toBe('pending');
  });

  test('ends with the worker', async () => {
    await worker.stop();
    undo.pop();
    const id = await abandoned();
    const before = logged.length;
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(await statusOf(id)).toBe('running');
    expect(logged).toHaveLength(before);
  });
});
