import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createLogin, dropLogin } from '../../src/commands/login.ts';
import { limitLogins } from '../../src/commands/login-limits.ts';
import { roleName } from '../../src/db/roles.ts';
import type { Database, Executor } from '../../src/db/database.ts';
import type { Installation } from '../../src/db/installation.ts';
import { watchLogins } from '../../src/jobs/watch-logins.ts';
import type { LogEntry } from '../../src/log.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { installationIn } from '../support/installation.ts';
import { migrateQueue } from '../support/job-queue.ts';
import { testRolePrefix } from '../support/logins.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

describe.skipIf(noServer)("the watch over analysts' logins, as the worker", () => {
  const suffix = randomBytes(4).toString('hex');
  const [mallory, ann] = [`mallory_${suffix}`, `ann_${suffix}`];
  let made: MigratedDatabase;
  let admin: Client;
  let migrate: Installation;
  let worker: Database;
  let executor: Executor;
  const urls = new Map<string, string>();
  const open: Client[] = [];
  const log: LogEntry[] = [];

  beforeAll(async () => {
    made = await migratedDatabase();
    admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
    await migrateQueue(made.urls.worker);
    migrate = installationIn(serverDatabase(made.urls.migrate));
    worker = serverDatabase(made.urls.worker);
    executor = {
      query: (statement) => worker.queryWith({ role: roleName(testRolePrefix, 'worker') }, statement),
    };
    const limits = {
      connections: 2,
      statementSeconds: 1,
      transactionSeconds: 2,
      idleInTransactionSeconds: 1,
      idleSeconds: 60,
    };
    for (const name of [mallory, ann]) {
      const password = await createLogin(migrate, name, 'default', limits);
      urls.set(name, Object.assign(new URL(made.url), { username: name, password }).href);
    }
    // Each session may set its own timeouts back; so may the login for all of its sessions.
    const own = await connected(mallory);
    for (const name of ['statement', 'transaction', 'idle_in_transaction_session', 'idle_session'])
      await own.query(`alter role ${mallory} set ${name}_timeout to 0`);
  });
  beforeEach(async () => {
    await admin.query('delete from ops.ended_sessions');
    await admin.query('delete from ops.alerts');
    log.length = 0;
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.end().catch(() => {})));
    const left = 'select from pg_stat_activity where usename = any ($1)';
    while ((await admin.query(left, [[mallory, ann]])).rowCount) await sleep(20);
  });
  afterAll(async () => {
    for (const name of [mallory, ann]) await dropLogin(migrate, name);
    await Promise.all([admin?.end(), worker?.close(), migrate?.database.close()]);
    await made?.drop();
  });

  async function connected(name: string): Promise<Client> {
    const client = new Client({ connectionString: urls.get(name)! });
    client.on('error', () => {});
    await client.connect();
    open.push(client);
    return client;
  }
  const look = () => watchLogins(executor, false, (record) => log.push(record));
  /** Looks until something is ended. */
  async function looked(): Promise<Awaited<ReturnType<typeof look>>> {
    for (let i = 0; i < 80; i += 1) {
      const ended = await look();
      if (ended.length > 0) return ended;
      await sleep(100);
    }
    throw new Error('nothing was ended in 8 s');
  }
  const alerts = async (kind = 'ended_sessions') =>
    (
      await admin.query<{ subject: string; message: string }>(
        'select subject, message from ops.alerts where kind = $1 and resolved_at is null',
        [kind],
      )
    ).rows;
  const full = () => alerts('full_logins');

  test('a transaction left open is ended, an alert names the login at once, and the session of another goes on', async () => {
    const [bad, good] = [await connected(mallory), await connected(ann)];
    await bad.query('begin; select 1');
    const ended = await looked();
    expect(ended).toMatchObject([{ login: mallory, reason: 'idle_in_transaction', failure: null }]);
    await expect(bad.query('select 1')).rejects.toThrow(/terminat|not queryable/i);
    await good.query('select 1');
    expect(await alerts()).toMatchObject([{ subject: mallory, message: expect.stringContaining(mallory) }]);
    expect(log).toContainEqual(
      expect.objectContaining({ event: 'alert-raised', kind: 'ended_sessions', subject: mallory }),
    );
  });

  test('a statement beyond its time is cancelled', async () => {
    const bad = await connected(mallory);
    const statement = bad.query('select pg_sleep(60)').catch((error: unknown) => error);
    expect(await looked()).toMatchObject([{ login: mallory, reason: 'statement' }]);
    expect(await statement).toMatchObject({ code: '57014' });
    await bad.query('select 1');
  });

  test('a transaction that keeps busy with short statements is ended', async () => {
    const bad = await connected(mallory);
    await bad.query('begin');
    const busy = (async () => {
      for (;;) await bad.query('select pg_sleep(0.05)');
    })().catch((error: unknown) => error);
    expect(await looked()).toMatchObject([{ login: mallory, reason: 'transaction' }]);
    expect(await busy).toBeInstanceOf(Error);
  });

  test('a connection too many is refused by the server, and ended where the role has no limit any more', async () => {
    const first = await connected(mallory);
    await connected(mallory);
    await expect(connected(mallory)).rejects.toMatchObject({ code: '53300' });
    await admin.query(`alter role ${mallory} connection limit -1`);
    await connected(mallory);
    expect(await look()).toMatchObject([{ login: mallory, reason: 'connections' }]);
    await first.query('select 1');
    expect(await limitLogins(migrate, mallory, {})).toEqual([mallory]);
  });

  test('a login that has held all of its connections for ten seconds is named by an alert, until it lets one go', async () => {
    const [first] = [await connected(mallory), await connected(mallory), await connected(ann)];
    await look();
    expect(await full()).toEqual([]);
    await sleep(10_000);
    await look();
    expect(await full()).toMatchObject([
      {
        subject: mallory,
        message: expect.stringContaining(`lightning login limit ${mallory} --connections N`),
      },
    ]);
    const raised = log.filter(({ event }) => event === 'alert-raised').length;
    await look();
    expect(log.filter(({ event }) => event === 'alert-raised')).toHaveLength(raised);
    await first.end();
    const gone = async () => (await admin.query('select from ops.full_logins()')).rowCount;
    await expect.poll(gone).toBe(0);
    await admin.query('select ops.check_alerts()');
    expect(await full()).toEqual([]);
  });

  test('a caller whom the API refuses is named by an alert at once, with the limit and how often', async () => {
    await admin.query(
      `select ops.note_refusals('[{"caller": "tenant default, subject mallory", "what": "requests in progress", "count": 12}]')`,
    );
    await look();
    expect(log).toContainEqual(
      expect.objectContaining({
        event: 'alert-raised',
        kind: 'refused_callers',
        message: expect.stringContaining(
          'tenant default, subject mallory asks for more than it may, and is refused: too many requests in progress (12)',
        ),
      }),
    );
    await admin.query("update ops.refused_callers set last_at = now() - interval '6 minutes'");
    await admin.query('select ops.check_alerts()');
    const { rows } = await admin.query(
      "select from ops.alerts where kind = 'refused_callers' and resolved_at is null",
    );
    expect(rows).toEqual([]);
  });

  test('a login that holds an advisory lock is ended, also where the server lets it take one', async () => {
    // As on a server whose administrator could not take PUBLIC's rights.
    await admin.query('grant execute on function pg_catalog.pg_advisory_lock(bigint) to public');
    const bad = await connected(mallory);
    await bad.query("select pg_advisory_lock(hashtext('agent_lightning troubles'))");
    expect(await look()).toMatchObject([{ login: mallory, reason: 'advisory_lock' }]);
    await expect(bad.query('select 1')).rejects.toThrow(/terminat|not queryable/i);
    await admin.query('revoke execute on function pg_catalog.pg_advisory_lock(bigint) from public');
  });

  test('whoever keeps within the limits, and every login that is not an analyst, is left alone', async () => {
    const good = await connected(ann);
    await admin.query('begin; select 1');
    await sleep(2_500);
    expect(await look()).toEqual([]);
    await admin.query('rollback');
    await good.query('select 1');
    expect(await alerts()).toEqual([]);
  });

  test('what cannot be ended is said, with the way to mend it', async () => {
    const owner = roleName(testRolePrefix, 'owner');
    await admin.query('begin');
    const bad = await connected(mallory);
    await bad.query('set idle_in_transaction_session_timeout to 0; set transaction_timeout to 0');
    await bad.query('begin; select 1');
    await sleep(2_200);
    try {
      // In a transaction, because other tests use the same roles.
      await admin.query(`revoke pg_signal_backend from ${owner}`);
      const { rows } = await admin.query<{ ended: { failure: string } }>(
        'select e as ended from ops.end_excesses() e',
      );
      expect(rows).toMatchObject([{ ended: { login: mallory, failure: expect.stringContaining('setup') } }]);
      const alert = await admin.query<{ message: string }>('select message from ops.check_ended_sessions');
      expect(alert.rows[0]?.message).toContain('not all of them, because the owner may not end sessions');
    } finally {
      await admin.query('rollback');
    }
  });

  test('a login of an earlier version, without limits on its role, is named by an alert until it is limited', async () => {
    const unlimited = async () =>
      (await admin.query<{ subject: string }>('select subject from ops.check_unlimited_logins')).rows;
    expect(await unlimited()).toEqual([]);
    await admin.query(`alter role ${ann} connection limit -1`);
    expect(await unlimited()).toEqual([{ subject: ann }]);
    await limitLogins(migrate, null, {});
    expect(await unlimited()).toEqual([]);
  });
});
