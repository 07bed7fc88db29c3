import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { migrate } from '../../src/db/migrations.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { agentsPerTenant, busyAgentsPerTenant, tasksPerBusyAgent, tenantCount } from './keys.ts';

/** The two databases of a run: the same tables, indexes and rows, with and without this project's protection. */
export interface BenchDatabases {
  /** Prefix of the request roles' names. */
  readonly rolePrefix: string;
  /** The API's login to the protected database: row-level security, audit, notifications. */
  readonly protectedUrl: string;
  /** The migrations' login to it. */
  readonly migrateUrl: string;
  /** A login that owns the tables of the plain database, which has none of these. */
  readonly plainUrl: string;
  /** A superuser of either database, for counting. */
  readonly adminUrls: { readonly protected: string; readonly plain: string };
  /** Removes the databases and every role that was created for them. */
  drop(): Promise<void>;
}

/**
 * Creates both databases on the server, under unique names. The plain one is a copy of the other, file by file,
 * without its policies and triggers: so neither has a better heap or index. When this resolves they are vacuumed,
 * analysed and written to disk.
 *
 * @param fill statements with which a superuser inserts the rows
 */
export async function makeDatabases(adminUrl: string, fill = rows): Promise<BenchDatabases> {
  const rolePrefix = `bench_${randomBytes(4).toString('hex')}`;
  const names = { protected: rolePrefix, plain: `${rolePrefix}_plain` };
  const inDatabase = (name: string) => Object.assign(new URL(adminUrl), { pathname: `/${name}` }).href;
  const adminUrls = { protected: inDatabase(names.protected), plain: inDatabase(names.plain) };
  const drop = () => dropEverything(adminUrl, rolePrefix, Object.values(names));
  try {
    const urls = await setupServer({
      adminUrl,
      databaseName: names.protected,
      rolePrefix,
      logins: {
        api: `${rolePrefix}_login_api`,
        migrate: `${rolePrefix}_login_migrate`,
        worker: `${rolePrefix}_login_worker`,
        backup: `${rolePrefix}_login_backup`,
      },
      log: () => {},
    });
    if (urls.api === null || urls.migrate === null)
      throw new Error(`the logins ${rolePrefix}_* exist already`);
    await migrate({ connectionString: urls.migrate, rolePrefix, log: () => {} });
    await withClient(adminUrls.protected, (client) => client.query(fill));
    const plainUrl = await withClient(adminUrl, (client) => makePlainCopy(client, adminUrl, names));
    await withClient(adminUrls.plain, (client) => client.query(takeProtectionAway(names.plain)));
    for (const url of Object.values(adminUrls)) {
      await withClient(url, (client) => client.query('vacuum (analyze)'));
    }
    await withClient(adminUrl, (client) => client.query('checkpoint'));
    return { rolePrefix, protectedUrl: urls.api, migrateUrl: urls.migrate, plainUrl, adminUrls, drop };
  } catch (error) {
    await drop();
    throw error;
  }
}

/**
 * Deterministic, so that two runs measure the same thing. Tasks are in random order, as work arrives; every busy agent
 * has 60 completed ones, so that each page of 50 is full. Triggers are off: history is not measured.
 */
const rows = `
  set session_replication_role to replica;

  insert into app_public.tenants (id, name)
  select 'tenant-' || t, 'Tenant ' || t from generate_series(0, ${tenantCount - 1}) t;

  insert into app_public.agents (tenant_id, id, name, model, specialization, status, config)
  select
    'tenant-' || t, 'agent-' || a, 'agent-' || a || ' of tenant-' || t, (array['gpt-4o', 'claude-sonnet', 'llama-3'])[1 + a % 3],
    'specialization ' || a % 17, (array['idle', 'busy', 'paused'])[1 + a % 3],
    jsonb_build_object(
      'temperature', a % 10 / 10.0, 'max_tokens', 4096, 'tools', jsonb_build_array('search', 'python', 'browser'),
      'prompt', repeat('You work carefully. ', 10)
    )
  from generate_series(0, ${tenantCount - 1}) t, generate_series(0, ${agentsPerTenant - 1}) a
  order by md5(t || ' ' || a);

  insert into app_public.tasks
    (tenant_id, id, agent_id, description, status, priority, context, result, created_at, started_at, completed_at)
  select
    'tenant-' || t, md5('task ' || t || ' ' || a || ' ' || n)::uuid, 'agent-' || a,
    'Task ' || n || ': ' || repeat('read the sources and write down what matters. ', 2),
    case when completed then 'completed' else (array['pending', 'running', 'failed', 'cancelled'])[1 + n % 4] end,
    (array['low', 'normal', 'high'])[1 + n % 3],
    jsonb_build_object('repository', 'repository ' || n % 50, 'attempt', n % 3, 'labels', jsonb_build_array('a', 'b')),
    case when completed then jsonb_build_object('summary', repeat('done. ', 10)) end,
    created, created + interval '1 minute', case when completed then created + interval '1 hour' end
  from
    generate_series(0, ${tenantCount - 1}) t,
    generate_series(0, ${busyAgentsPerTenant - 1}) a,
    generate_series(0, ${tasksPerBusyAgent - 1}) n,
    lateral (select n < ${tasksPerBusyAgent * 0.6} as completed, now() - make_interval(mins => n + a) as created) c
  order by md5(t || ' ' || a || ' ' || n);
`;

/** Returns the URL of the login that will own the copy's tables. */
async function makePlainCopy(
  client: Client,
  adminUrl: string,
  names: { readonly protected: string; readonly plain: string },
): Promise<string> {
  await untilNobodyIsConnected(client, names.protected);
  const [template, copy] = [escapeIdentifier(names.protected), escapeIdentifier(names.plain)];
  await client.query(`create database ${copy} template ${template} strategy file_copy`);
  // Settings are not copied, so they are set here as in sql/database.sql.
  await client.query(`alter database ${copy} set jit to off`);
  const password = randomBytes(16).toString('hex');
  await client.query(`create role ${copy} login password ${escapeLiteral(password)}`);
  return Object.assign(new URL(adminUrl), { username: names.plain, password, pathname: `/${names.plain}` })
    .href;
}

/**
 * Removes policies, triggers (except those of foreign keys), defaults that ask for the tenant, and comments: smart tags
 * in comments shape this project's GraphQL, and PostGraphile's default has none.
 */
function takeProtectionAway(owner: string): string {
  return `
    do $$
    declare
      v_table regclass;
      v_trigger record;
      v_name name;
    begin
      execute format('grant usage on schema app_public to %I', ${escapeLiteral(owner)});
      for v_table in
        select c.oid from pg_class c
        where c.relnamespace = 'app_public'::regnamespace and c.relkind in ('r', 'p')
      loop
        execute format('alter table %s disable row level security, no force row level security', v_table);
        for v_trigger in
          select t.tgname from pg_trigger t where t.tgrelid = v_table and not t.tgisinternal and t.tgparentid = 0
        loop
          execute format('drop trigger %I on %s', v_trigger.tgname, v_table);
        end loop;
        execute format('comment on table %s is null', v_table);
        for v_name in
          select a.attname from pg_attribute a where a.attrelid = v_table and a.attnum > 0 and not a.attisdropped
        loop
          execute format('comment on column %s.%I is null', v_table, v_name);
        end loop;
        for v_name in select c.conname from pg_constraint c where c.conrelid = v_table loop
          execute format('comment on constraint %I on %s is null', v_name, v_table);
        end loop;
        if v_table <> 'app_public.tenants'::regclass then
          execute format('alter table %s alter column tenant_id drop default', v_table);
        end if;
        execute format('alter table %s owner to %I', v_table, ${escapeLiteral(owner)});
      end loop;
    end
    $$;
  `;
}

/**
 * Waits until the database has no connections, because only then can it be copied; graphile-migrate's pool lingers for
 * a moment.
 */
async function untilNobodyIsConnected(client: Client, name: string): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query('select from pg_stat_activity where datname = $1', [name]);
    if (rowCount === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Removes databases, and every role whose name begins with the prefix. */
export async function dropEverything(
  adminUrl: string,
  rolePrefix: string,
  names: readonly string[],
): Promise<void> {
  await withClient(adminUrl, async (client) => {
    for (const name of names) {
      await client.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
    }
    const { rows: roles } = await client.query<{ rolname: string }>(
      'select rolname from pg_roles where starts_with(rolname, $1)',
      [rolePrefix],
    );
    for (const { rolname } of roles)
      await client.query(
        `drop owned by ${escapeIdentifier(rolname)}; drop role ${escapeIdentifier(rolname)}`,
      );
  });
}

async function withClient<T>(connectionString: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
