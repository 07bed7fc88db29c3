import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { roleName } from '../../src/db/roles.ts';
import { tryQuery } from '../support/attempts.ts';
import { migrateQueue } from '../support/job-queue.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { other, own, twoTenants } from '../support/two-tenants.ts';
import type { TwoTenants } from '../support/two-tenants.ts';
import { withRole } from '../../src/db/connection-url.ts';

/** Our schemas, and public. */
const schemas = "('app_public', 'app_private', 'audit', 'ops', 'public')";

// Somebody has the password of the worker's login, and nothing else: its own database, a psql, and time. What a tenant stored stays as
// it is, nobody else runs its code, and the audit log says nothing that did not happen.
describe.skipIf(noServer)('a stolen login of the worker', () => {
  let world: TwoTenants;
  let thief: Client;
  let owner: Client;

  beforeAll(async () => {
    world = await twoTenants();
    const { urls } = world.database;
    // A worker has started once: graphile-worker has made its tables.
    await migrateQueue(urls.worker);
    thief = await connected(urls.worker);
    owner = await connected(withRole(urls.migrate, roleName(testRolePrefix, 'owner')));
    await rowsOf(
      thief,
      'create table graphile_worker.loot (who text, at timestamptz default clock_timestamp())',
    );
    await rowsOf(thief, 'grant all on schema graphile_worker to public');
    await rowsOf(thief, 'grant insert on graphile_worker.loot to public');
    await rowsOf(
      thief,
      `create function graphile_worker.plant() returns trigger language plpgsql as $$
       begin
         insert into graphile_worker.loot (who) values (current_user);
         perform set_config('app.tenant_id', '${other}', true);
         return new;
       end $$`,
    );
  });
  afterAll(async () => {
    await Promise.all([thief?.end(), owner?.end()]);
    await world?.close();
  });

  async function connected(url: string): Promise<Client> {
    const client = new Client({ connectionString: url });
    await client.connect();
    return client;
  }
  const rowsOf = async (client: Client, text: string, ...values: unknown[]) =>
    (await client.query(text, values)).rows;
  const fingerprints = async () =>
    (
      await world.admin.query(
        `select (select count(*)::int from audit.log) as log, (select count(*)::int from app_public.metrics) as points,
           (select count(*)::int from app_public.metrics_day) as days, (select count(*)::int from pg_trigger where not tgisinternal) as triggers`,
      )
    ).rows[0];

  /** The roles that the thief can be, its own among them. */
  async function rolesOfThief(): Promise<string[]> {
    const rows = await rowsOf(
      thief,
      `select rolname as role from pg_roles where pg_has_role(session_user, oid, 'set') order by 1`,
    );
    return rows.map(({ role }) => role);
  }

  test('can become the role of the worker, and no other', async () => {
    expect(await rolesOfThief()).toEqual(
      [roleName(testRolePrefix, 'worker'), await sessionUser()].toSorted(),
    );
  });

  async function sessionUser(): Promise<string> {
    return (await rowsOf(thief, 'select session_user::text as name'))[0].name;
  }

  test('plants no trigger, rule, policy, index or owner on a table of ours, whichever role it takes', async () => {
    const before = await fingerprints();
    const tables = (
      await rowsOf(
        thief,
        `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ${schemas} and c.relkind in ('r', 'p', 'v')`,
      )
    ).map(({ name }) => name as string);
    expect(tables.length).toBeGreaterThan(60);
    const taken: string[] = [];
    for (const role of await rolesOfThief()) {
      for (const table of tables) {
        for (const attack of [
          `create trigger plant before insert on ${table} for each row execute function graphile_worker.plant()`,
          `alter table ${table} disable trigger all`,
          `alter table ${table} disable row level security`,
          `create policy plant on ${table} using (true)`,
          `create rule plant as on insert to ${table} do also notify plant`,
          `alter table ${table} owner to ${await sessionUser()}`,
        ]) {
          const outcome = await tryQuery(thief, attack, { role });
          if (!['42501', '42809'].includes(outcome)) taken.push(`${role}: ${attack}: ${outcome}`);
        }
      }
    }
    expect(taken).toEqual([]);
    expect(await fingerprints()).toEqual(before);
  });

  test('reads and changes no row of any tenant with SQL of its own, whichever role and setting it takes', async () => {
    const before = await contents();
    const tables = (
      await rowsOf(
        thief,
        `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('app_public', 'app_private', 'audit') and c.relkind in ('r', 'p', 'v') order by 1`,
      )
    ).map(({ name }) => name as string);
    expect(tables).toEqual(
      expect.arrayContaining(
        ['tasks', 'knowledge', 'sessions', 'metrics'].map((name) => `app_public.${name}`),
      ),
    );
    const taken: string[] = [];
    for (const role of await rolesOfThief()) {
      for (const table of [
        ...tables,
        'ops.quarantined_items',
        'ops.metric_changes',
        'ops.retention_receipts',
      ]) {
        for (const attack of [
          `select count(*) from ${table}`,
          `select from ${table} limit 1 for update`,
          `insert into ${table} default values`,
          `delete from ${table}`,
          `truncate ${table}`,
          `copy ${table} to stdout`,
        ]) {
          await rowsOf(thief, `select set_config('app.retention_tenant_id', '${other}', false)`);
          const outcome = await tryQuery(thief, attack, { role });
          if (!['42501', '42809'].includes(outcome)) taken.push(`${role}: ${attack}: ${outcome}`);
        }
      }
      for (const attack of [
        "update app_public.tasks set error_message = 'x'",
        "update app_public.tasks set status = 'cancelled' where tenant_id = 'rival'",
        'update app_public.task_leases set heartbeat_at = now()',
        "update app_public.workflows set status = 'cancelled'",
        'update app_public.knowledge set embedding = null',
        'update app_public.metrics set value = 4711',
        "insert into app_public.tasks (tenant_id, description) values ('rival', 'x')",
        "insert into ops.retention_receipts (policy, older_than, row_count) values ('tasks', now(), 1)",
        // What the functions of jobs are made of.
        'select ops.take_back_leases(1)',
        "select ops.advance_workflow('rival', gen_random_uuid())",
        "select ops.cancel_workflow_tasks('rival', (select array_agg(gen_random_uuid())), 'x')",
        "select ops.make_metrics_minute(array[now()], 'rival')",
        "select from ops.expired_tasks('rival', now())",
        "select ops.add_receipt('tasks', 'rival', now(), 1)",
      ]) {
        const outcome = await tryQuery(thief, attack, { role });
        if (outcome !== '42501') taken.push(`${role}: ${attack}: ${outcome}`);
      }
    }
    await rowsOf(thief, 'reset app.retention_tenant_id');
    expect(taken).toEqual([]);
    expect(await contents()).toEqual(before);
  });

  /** A digest of everything that tenants have stored. */
  async function contents(): Promise<Record<string, string>> {
    const digests: Record<string, string> = {};
    for (const table of [
      'tasks',
      'task_leases',
      'task_attempts',
      'workflows',
      'workflow_steps',
      'knowledge',
      'sessions',
      'metrics',
      'metrics_minute',
      'metrics_hour',
      'metrics_day',
    ]) {
      const { rows } = await world.admin.query(
        `select count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as digest from app_public.${table} t`,
      );
      digests[table] = rows[0].digest;
    }
    return digests;
  }

  test('expires nothing that a policy keeps, whatever it passes', async () => {
    await world.admin.query(
      `insert into app_public.tasks (tenant_id, description, status, completed_at) values ('${other}', 'old', 'completed', now() - interval '400 days');
       insert into app_public.sessions (tenant_id, user_id, token, expires_at)
         values ('${other}', 'user', repeat('7', 64), now() - interval '1 minute')`,
    );
    const before = await contents();
    const { rows: policies } = await world.admin.query<{ policy: string }>(
      'select policy from ops.retention_policies order by policy',
    );
    expect(policies.length).toBeGreaterThan(10);
    const done: string[] = [];
    for (const { policy } of policies.filter((row) => row.policy !== 'dead_jobs')) {
      for (const tenant of [`'${other}'`, 'null'])
        for (const olderThan of ['now()', "now() + interval '100 years'", "'infinity'", 'null'])
          for (const howMany of ['10', '1000000000', 'null', '-1'])
            for (const name of ['ops.expire_rows', 'ops.expire_tenant_rows']) {
              const call = `${name}('${policy}', ${tenant}, ${olderThan}, ${howMany})`;
              const outcome = await tryQuery(thief, `select ${call}`, { commit: true });
              if (!outcome.startsWith('LTP')) done.push(`${call}: ${outcome}`);
            }
      for (const olderThan of ["now() + interval '100 years'", 'null']) {
        const call = `ops.count_expired_tenant_rows('${policy}', '${other}', ${olderThan})`;
        const outcome = await tryQuery(thief, `select ${call}`);
        if (!outcome.startsWith('LTP')) done.push(`${call}: ${outcome}`);
      }
    }
    expect(done).toEqual([]);
    expect(await contents()).toEqual(before);
    // What belongs to no tenant has a function of its own.
    for (const name of ['expire_tenant_rows', 'count_expired_tenant_rows']) {
      const rest = name === 'expire_tenant_rows' ? ', 10' : '';
      expect(
        await tryQuery(thief, `select ops.${name}('job_runs', null, now() - interval '9 years'${rest})`),
      ).toBe('LTP03');
    }
    // Tasks are kept for ever until somebody says otherwise, and the operator's word counts at once.
    await world.admin.query(`select ops.set_retention('tasks', '300 days', '${other}')`);
    const year = "now() - interval '301 days'";
    expect(await tryQuery(thief, `select ops.expire_rows('tasks', '${own}', 'epoch', 10)`)).toBe('LTP06');
    expect(
      await tryQuery(thief, `select ops.expire_rows('tasks', '${other}', now() - interval '299 days', 10)`),
    ).toBe('LTP06');
    expect(await rowsOf(thief, `select ops.expire_rows('tasks', '${other}', ${year}, 10) as count`)).toEqual([
      { count: 1 },
    ]);
  });

  test('deletes no point that is not rolled up, although its policy no longer keeps it', async () => {
    await world.admin.query(`select ops.ensure_partitions(0, 0, now() - interval '20 days')`);
    await world.admin.query(
      `insert into app_public.metrics (tenant_id, service_name, metric_name, value, "timestamp")
       values ('${other}', 's', 'old', 1, now() - interval '20 days')`,
    );
    const before = await contents();
    const expired = await rowsOf(
      thief,
      `select ops.expire_rows('metrics.raw', '${other}', now() - interval '10 days', 10) as count`,
    );
    expect(expired).toEqual([{ count: 0 }]);
    expect(await contents()).toEqual(before);
  });

  test('is shown the texts that it has to embed, and stores no embedding over one that is there', async () => {
    const vector = JSON.stringify(Array(1536).fill(1));
    await world.admin.query(
      `insert into app_public.knowledge (tenant_id, id, content, embedding)
       values ('${other}', 'embedded', 'a secret', '${JSON.stringify([1, ...Array(1535).fill(0)])}'), ('${other}', 'refused', 'refused', null)`,
    );
    await world.admin.query(`update app_public.knowledge set embedding_error = 'no' where id = 'refused'`);
    const shown = await rowsOf(thief, 'select tenant_id, id from ops.texts_to_embed()');
    expect(shown).toEqual(expect.arrayContaining([{ tenant_id: other, id: 'shared' }]));
    expect(shown.map(({ id }) => id)).not.toEqual(expect.arrayContaining(['embedded']));
    const before = await contents();
    const store = (id: string, text: string) =>
      rowsOf(
        thief,
        'select ops.store_embeddings(array[$1], array[$2], array[md5($3)], array[$4]) as count',
        other,
        id,
        text,
        vector,
      );
    for (const [id, text] of [
      ['embedded', 'a secret'],
      ['refused', 'refused'],
      ['shared', 'not its text'],
    ] as const)
      expect([id, await store(id, text)]).toEqual([id, [{ count: 0 }]]);
    expect(
      await rowsOf(
        thief,
        `select ops.refuse_embedding('${other}', 'embedded', md5('a secret'), 'x') as stored`,
      ),
    ).toEqual([{ stored: false }]);
    for (const attack of [
      `select ops.refuse_embedding('${other}', 'embedded', md5('a secret'), '')`,
      'select ops.texts_to_embed(how_many => 1000000)',
      'select ops.texts_to_embed(most_bytes => 2000000000)',
      `select ops.store_embeddings('{a,b}', '{a}', '{a}', '{a}')`,
      `select ops.store_embeddings(array_fill('a'::text, '{257}'), array_fill('a'::text, '{257}'), array_fill('a'::text, '{257}'), array_fill('a'::text, '{257}'))`,
      `select ops.store_embeddings(null, null, null, null)`,
    ])
      expect([attack, await tryQuery(thief, attack)]).toEqual([attack, 'LTP06']);
    expect(await contents()).toEqual(before);
    // The one thing that is its to do.
    expect(await store('shared', 'known')).toEqual([{ count: 1 }]);
  });

  test('drops no partition that retention keeps and no other table, and forges no row of the audit log', async () => {
    const before = await fingerprints();
    const [{ partition }] = await rowsOf(
      thief,
      `select inhrelid::regclass::text as partition from pg_inherits where inhparent = 'app_public.metrics'::regclass
       order by 1 desc limit 1`,
    );
    const qualified = partition.includes('.') ? partition : `app_public.${partition}`;
    const outcomes: string[] = [];
    for (const table of [
      qualified,
      'app_public.metrics_day',
      'app_private.tenant_logins',
      'graphile_worker.loot',
    ]) {
      const forged = `insert into ops.partition_removals (partition, parent, policy, held, rows_by_tenant)
        values ('${table}', 'app_public.metrics', 'metrics.raw', '(,)', '{"${own}": 4711}')`;
      outcomes.push(
        await tryQuery(thief, `${forged}; select ops.drop_partition('${table}')`),
        await tryQuery(thief, `select ops.drop_partition('${table}')`),
        await tryQuery(thief, `select ops.begin_partition_removal('${table}', now() + interval '100 years')`),
        await tryQuery(thief, `select ops.detach_partition('${table}', now() + interval '100 years')`),
      );
    }
    expect(new Set(outcomes)).toEqual(new Set(['42501', 'LTP05']));
    expect(await fingerprints()).toEqual(before);
  });

  test('has nobody else run its code, in the view of the queue or anywhere in its schema', async () => {
    await rowsOf(
      thief,
      `create function graphile_worker.evil() returns bigint language plpgsql volatile as $$
       begin
         insert into graphile_worker.loot (who) values (current_user);
         return 1;
       end $$`,
    );
    await rowsOf(thief, 'alter view graphile_worker.jobs rename to honest_jobs');
    await rowsOf(
      thief,
      `create view graphile_worker.jobs as select *, graphile_worker.evil() as evil from graphile_worker.honest_jobs
       where graphile_worker.evil() = 1`,
    );
    await rowsOf(thief, 'grant select on graphile_worker.jobs, graphile_worker.honest_jobs to public');
    await rowsOf(thief, "select graphile_worker.add_job('nothing')");
    try {
      const views = (
        await rowsOf(
          thief,
          `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'ops' and c.relkind = 'v'`,
        )
      ).map(({ name }) => name as string);
      expect(views.length).toBeGreaterThan(10);
      // The trap works on who reads it.
      await tryQuery(thief, 'select count(*) from graphile_worker.jobs', { commit: true });
      const operator = await connected(world.loginUrl('operator'));
      try {
        for (const reader of [thief, operator, owner, world.admin])
          for (const view of views) await tryQuery(reader, `select count(*) from ${view}`, { commit: true });
      } finally {
        await operator.end();
      }
      const functions = await rowsOf(
        thief,
        `select p.oid::regprocedure::text as name from pg_proc p
         where p.pronamespace = 'ops'::regnamespace and p.pronargs = p.pronargdefaults and p.prorettype <> 'trigger'::regtype`,
      );
      expect(functions.length).toBeGreaterThan(5);
      for (const { name } of functions)
        await tryQuery(thief, `select ${name.replace(/\(.*/, '')}()`, { commit: true });
      const loot = await rowsOf(thief, 'select distinct who from graphile_worker.loot');
      expect(loot.map(({ who }) => who)).toEqual([await sessionUser()]);
    } finally {
      await rowsOf(thief, 'drop view graphile_worker.jobs');
      await rowsOf(thief, 'alter view graphile_worker.honest_jobs rename to jobs');
    }
  });

  test('makes nothing outside of its schema', async () => {
    const outcomes: Record<string, string> = {};
    for (const attack of [
      'create schema mine',
      'create temp table mine ()',
      'create table ops.mine ()',
      'create table app_public.mine ()',
      'create table public.mine ()',
      'create function public.mine() returns int language sql return 1',
      'create extension pgcrypto',
      'create role mine',
      'create publication mine for all tables',
      'create event trigger mine on ddl_command_end execute function graphile_worker.plant()',
      "copy (select 1) to program 'true'",
      "select pg_read_file('/etc/passwd')",
    ])
      outcomes[attack] = await tryQuery(thief, attack);
    expect(Object.entries(outcomes).filter(([, outcome]) => outcome !== '42501')).toEqual([]);
  });

  test('uses the narrow functions for nothing but their purpose, whatever it passes', async () => {
    const before = await fingerprints();
    const outcomes: Record<string, string> = {};
    for (const attack of [
      'select ops.ensure_partitions(100000, 0)',
      'select ops.ensure_partitions(0, 100000)',
      "select ops.ensure_partitions(0, 0, now() + interval '50 years')",
      "select ops.ensure_partitions(0, 0, now() - interval '50 years')",
      "select ops.move_metric_floors(now() + interval '50 years')",
      "select ops.trim_events('0 seconds')",
      "select ops.trim_events('-1 year')",
      "select ops.expire_operations('job_runs', now() + interval '1 year', 100)",
      "select ops.expire_operations('job_runs', now() - interval '10 years', 1000000)",
      'select ops.reap_expired_leases(1000000)',
      'select ops.reap_expired_leases(null)',
      'select ops.tend_workflows(0)',
      "select ops.roll_up_metrics('minute', now(), 1000000)",
      "select ops.roll_up_metrics('second')",
      "select ops.rows_by_tenant('app_public.tasks', now() - interval '1 day', now())",
      "select ops.rows_by_tenant('app_public.metrics', now() - interval '1 day', now())",
      'select ops.note_removed_jobs(now(), 100)',
      "select ops.note_removed_jobs(now() - interval '10 years', 1000000000)",
      "select ops.report_jobs((select jsonb_agg(jsonb_build_object('id', i)) from generate_series(1, 1001) i))",
      "select ops.expire_operations('drills', now(), 100)",
    ])
      outcomes[attack] = await tryQuery(thief, attack);
    expect(Object.entries(outcomes).filter(([, outcome]) => !outcome.startsWith('LT'))).toEqual([]);
    expect(await fingerprints()).toEqual(before);
  });
});
