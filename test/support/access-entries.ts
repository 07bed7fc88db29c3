import { own, suspended } from './tenants.ts';
import type { ActorName } from './tenants.ts';

/**
 * A table or view in the tests of access: how it gets rows, how a tenant writes to it, and the rows that each actor reaches. A
 * new table is one new entry here; test/db/tenancy/tenancy.test.ts names the tables without one.
 */
export interface AccessEntry {
  /** The name with its schema. */
  readonly name: string;
  /** The tenants that have rows once it is filled; null stands for rows that belong to no tenant. Default: all three tenants. */
  readonly tenants?: readonly (string | null)[];
  /** The expression that names the tenant of a row. Default: `tenant_id`. */
  readonly tenantColumn?: string;
  /**
   * The relation whose rows are counted: a view shows a superuser none of its rows, because it runs as its owner. Default: the
   * relation itself.
   */
  readonly countedIn?: string;
  /**
   * A statement that gives it rows, run by a superuser: for each tenant as `$1`, or once where `tenants` is given. It is missing
   * where services and migrations write rows. It names no column that a later migration added, because databases of earlier
   * migrations are filled too (test/db/upgrade.test.ts).
   */
  readonly fill?: string;
  /**
   * The part of an insert that follows `insert into <name>`, for the tenant `$1`. It inserts a row whoever runs it, so it reads no
   * table of tenants: where the row refers to another, `gen_random_uuid()` is enough, because a row that only a foreign key holds
   * counts as inserted.
   */
  readonly insert: string;
  /**
   * The part of an update that follows `update <name> set`. No statement reads a column, so the policies of update and delete
   * alone confine them, not select's.
   */
  readonly set: string;
  /** Other columns, for actors that may not update the usual ones. */
  readonly setBy?: Partial<Record<ActorName, string>>;
  /**
   * The rows that each actor reaches, a line each: the actor, and what `accessMatrix` says of select, insert, update, delete and
   * truncate. An actor that is not listed reaches nothing with any command: anon, the API's login before it takes a role, the
   * login of migrations, and so on.
   *
   * The login of backups, which reads everything and writes nothing, is left out (test/db/tenancy/tenancy.test.ts checks it on
   * its own). The owner is listed to prove that row-level security is forced; nobody logs in as it. The definer is the owner
   * with a tenant, as in a definer function that a request calls.
   */
  readonly reaches: string;
  /** The same of one of its partitions. */
  readonly reachesOfPartition?: string;
}

/** An entry for every table, and for the views of tenants' rows, in an order in which they can be filled. */
export const accessEntries: readonly AccessEntry[] = [
  {
    name: 'app_public.tenants',
    tenantColumn: 'id',
    insert: "(id, name) values ($1, 'New')",
    set: "name = 'x'",
    reaches: `
      member     own   -    -    -     -
      service    own   -    -    -     -
      admin      own   -    -    -     -
      analyst    own   -    -    -     -
      unbound    none  -    -    -     -
      suspended  none  -    -    -     -
      owner      all   all  all  held  may
      definer    all   all  all  held  may
    `,
  },
  {
    name: 'app_private.tenant_logins',
    tenants: [own, suspended],
    insert: "(login, tenant_id) values ('new', $1)",
    set: 'created_at = now()',
    reaches: `
      owner    all  all  all  all  may
      definer  all  all  all  all  may
    `,
  },
  {
    name: 'app_private.api_keys',
    fill: `insert into app_private.api_keys (id, tenant_id, name, role, digest, created_by)
      values (left(md5($1), 12), $1, 'one', 'service', repeat('1', 64), 'x')`,
    insert:
      "(id, tenant_id, name, role, digest, created_by) values (left(md5('new' || $1), 12), $1, 'new', 'service', repeat('0', 64), 'x')",
    set: "name = 'x'",
    reaches: `
      owner    all  all  all  all  may
      definer  all  all  all  all  may
    `,
  },
  {
    name: 'ops.tenants',
    tenantColumn: 'id',
    countedIn: 'app_public.tenants',
    insert: "(id, name) values ($1, 'New')",
    set: "name = 'x'",
    reaches: `
      operator  all  -    -    -     -
      owner     all  all  all  held  -
      definer   all  all  all  held  -
    `,
  },
  {
    name: 'app_public.agents',
    insert: "(tenant_id, id, name, model) values ($1, 'new', 'New', 'm')",
    set: "name = 'x'",
    reaches: `
      member     own   own   own   -     -
      service    own   own   own   own   -
      admin      own   own   own   own   -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       own   -     -     own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'app_public.tasks',
    insert: "(tenant_id, description) values ($1, 'new')",
    set: "error_message = 'x'",
    reaches: `
      member     own   own   own   own   -
      service    own   own   own   own   -
      admin      own   own   own   own   -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       all   all   all   own   -
      definer    own   own   own   none  may
    `,
  },
  {
    name: 'app_public.task_leases',
    fill: `insert into app_public.task_leases
       (tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at)
     select tenant_id, id, 2, 2, 'shared', '1 hour', now(), now(), now() + interval '1 hour'
     from app_public.tasks where tenant_id = $1 and description = 'one'`,
    insert: `(tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at)
     values ($1, gen_random_uuid(), 9, 9, 'a', '1 hour', now(), now(), now())`,
    set: 'heartbeat_at = now()',
    reaches: `
      member     own   -     -     -     -
      service    own   -     -     -     -
      admin      own   -     -     -     -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       all   -     all   all   -
      definer    own   own   own   own   may
    `,
  },
  {
    name: 'app_public.task_attempts',
    fill: `insert into app_public.task_attempts
       (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome)
     select tenant_id, task_id, 1, 1, agent, claimed_at, claimed_at, 'released'
     from app_public.task_leases where tenant_id = $1`,
    insert: `(tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome)
     values ($1, gen_random_uuid(), 9, 9, 'a', now(), now(), 'failed')`,
    set: "note = 'x'",
    reaches: `
      member     own   -     -     -     -
      service    own   -     -     -     -
      admin      own   -     -     -     -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       own   all   -     own   -
      definer    own   own   none  none  may
    `,
  },
  {
    name: 'app_public.workflows',
    insert: "(tenant_id, name) values ($1, 'new')",
    set: "status = 'cancelled'",
    reaches: `
      member     own   own   own   own   -
      service    own   own   own   own   -
      admin      own   own   own   own   -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       all   -     all   own   -
      definer    own   none  own   none  may
    `,
  },
  {
    name: 'app_public.workflow_steps',
    fill: `insert into app_public.workflow_steps (tenant_id, workflow_id, key, position, depends_on, on_failure, definition)
     select tenant_id, id, 'step', 1, '{}', 'fail', '{}' from app_public.workflows where tenant_id = $1`,
    insert: `(tenant_id, workflow_id, key, position, depends_on, on_failure, definition)
     values ($1, gen_random_uuid(), 'new', 9, '{}', 'fail', '{}')`,
    set: "error_message = 'x'",
    reaches: `
      member     own   -     -     -     -
      service    own   -     -     -     -
      admin      own   -     -     -     -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       all   -     all   own   -
      definer    own   own   own   own   may
    `,
  },
  {
    name: 'app_public.knowledge',
    insert: "(tenant_id, content) values ($1, 'new')",
    set: "content = 'x'",
    setBy: { jobs: 'embedding = null', search: 'usage_count = 1' },
    reaches: `
      member     own   own   own   own   -
      service    own   own   own   own   -
      admin      own   own   own   own   -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      search     all   -     all   -     -
      jobs       all   -     all   own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'app_public.threads',
    fill: "insert into app_public.threads (tenant_id, title, version) values ($1, 'one', 1)",
    insert: "(tenant_id, title) values ($1, 'new')",
    set: "title = 'x'",
    reaches: `
      member     own   own   own   own   -
      service    own   own   own   own   -
      admin      own   own   own   own   -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       own   -     -     own   -
      definer    own   none  own   none  may
    `,
  },
  {
    name: 'app_public.messages',
    fill: `insert into app_public.messages (tenant_id, thread_id, number, role, content)
     select tenant_id, id, 1, 'user', 'one' from app_public.threads where tenant_id = $1`,
    insert: `(tenant_id, thread_id, number, role, content) values ($1, gen_random_uuid(), 9, 'user', 'new')`,
    set: "content = 'x'",
    reaches: `
      member     own   -     -     -     -
      service    own   -     -     -     -
      admin      own   -     -     -     -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       own   -     -     own   -
      definer    own   own   none  none  may
    `,
  },
  {
    name: 'app_public.sessions',
    insert: "(tenant_id, user_id, token, expires_at) values ($1, 'new', repeat('0', 64), now())",
    set: "data = '{}'",
    reaches: `
      service  own  own   own  own   -
      admin    own  own   -    own   -
      owner    all  none  all  none  may
      jobs     own  -     -    own   -
      definer  all  none  all  own   may
    `,
  },
  {
    name: 'app_public.user_sessions',
    countedIn: 'app_public.sessions',
    insert: "(tenant_id, user_id) values ($1, 'new')",
    set: "user_id = 'x'",
    reaches: `
      service    own   -     -     -     -
      admin      own   -     -     -     -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  -
      definer    own   none  own   own   -
    `,
  },
  {
    name: 'app_public.metrics',
    insert: "(tenant_id, service_name, metric_name, value) values ($1, 's', 'm', 1)",
    set: 'value = 2',
    reaches: `
      member     own   -     -     -     -
      service    own   own   -     -     -
      admin      own   own   -     -     -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       all   -     -     own   -
      definer    none  none  none  none  may
    `,
    reachesOfPartition: `
      owner    none  none  none  none  may
      definer  none  none  none  none  may
    `,
  },
  {
    name: 'app_public.metrics_minute',
    fill: `insert into app_public.metrics_minute
       (tenant_id, service_name, metric_name, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
     values ($1, 's', 'm', date_trunc('day', now(), 'UTC'), 1, 1, 1, 1, 1, now(), '{37500}', '{1}')`,
    insert: `(tenant_id, service_name, metric_name, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
     values ($1, 's', 'new', date_trunc('day', now(), 'UTC'), 1, 1, 1, 1, 1, now(), '{37500}', '{1}')`,
    set: 'last = 2',
    reaches: `
      member     own   -     -     -     -
      service    own   -     -     -     -
      admin      own   -     -     -     -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       all   all   all   own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'app_public.metrics_hour',
    fill: `insert into app_public.metrics_hour
       (tenant_id, service_name, metric_name, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
     values ($1, 's', 'm', date_trunc('day', now(), 'UTC'), 1, 1, 1, 1, 1, now(), '{37500}', '{1}')`,
    insert: `(tenant_id, service_name, metric_name, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
     values ($1, 's', 'new', date_trunc('day', now(), 'UTC'), 1, 1, 1, 1, 1, now(), '{37500}', '{1}')`,
    set: 'last = 2',
    reaches: `
      member     own   -     -     -     -
      service    own   -     -     -     -
      admin      own   -     -     -     -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       all   all   all   own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'app_public.metrics_day',
    fill: `insert into app_public.metrics_day
       (tenant_id, service_name, metric_name, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
     values ($1, 's', 'm', date_trunc('day', now(), 'UTC'), 1, 1, 1, 1, 1, now(), '{37500}', '{1}')`,
    insert: `(tenant_id, service_name, metric_name, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
     values ($1, 's', 'new', date_trunc('day', now(), 'UTC'), 1, 1, 1, 1, 1, now(), '{37500}', '{1}')`,
    set: 'last = 2',
    reaches: `
      member     own   -     -     -     -
      service    own   -     -     -     -
      admin      own   -     -     -     -
      analyst    own   -     -     -     -
      unbound    none  -     -     -     -
      suspended  none  -     -     -     -
      owner      none  none  none  none  may
      jobs       all   all   all   own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'ops.metric_changes',
    insert: "(resolution, tenant_id, bucket) values ('minute', $1, now())",
    set: 'bucket = bucket',
    reaches: `
      owner    all  all  all  all  may
      jobs     all  all  -    all  -
      definer  all  all  all  all  may
    `,
  },
  {
    name: 'ops.metric_rollups',
    tenants: [null],
    tenantColumn: 'null::text',
    insert: "(resolution) select 'minute' where $1::text is not null",
    set: 'rolled_up_at = now()',
    reaches: `
      operator  all   -     -     -     -
      owner     none  none  none  none  may
      jobs      all   -     all   -     -
      definer   none  none  none  none  may
    `,
  },
  {
    name: 'ops.metric_floors',
    fill: "insert into ops.metric_floors (tenant_id, kept_from) values ($1, '-infinity')",
    insert: '(tenant_id, kept_from) values ($1, now())',
    set: 'kept_from = kept_from',
    reaches: `
      operator  all  -    -    -    -
      owner     all  all  all  all  may
      jobs      all  -    -    -    -
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'app_private.events',
    insert: "(tenant_id, topic, operation) values ($1, 'tasks', 'insert')",
    set: "topic = 'x'",
    reaches: `
      owner    all  all  all  all  may
      definer  all  all  all  all  may
    `,
  },
  {
    name: 'app_private.event_marks',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: 'select ops.trim_events()',
    insert: '(at) select now() where $1::text is not null',
    set: 'at = at',
    reaches: `
      owner    all  all  all  all  may
      definer  all  all  all  all  may
    `,
  },
  {
    name: 'audit.log',
    insert: "(tenant_id, table_name, operation, row_count, role) values ($1, 'x', 'insert', 1, 'r')",
    set: 'row_count = 2',
    reaches: `
      owner     all       all  none  none  may
      definer   all       all  none  none  may
    `,
    reachesOfPartition: `
      owner    none  none  none  none  may
      definer  none  none  none  none  may
    `,
  },
  {
    name: 'audit.seals',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "insert into audit.seals values (1, 'rows', 0, '0', 0, '1', 1, 1, 1, 1, '', null, null, now(), 'x', '', '')",
    insert:
      "select 2, 'rows', 0, '0', 0, '1', 1, 1, 1, 1, '', null, null, now(), 'x', '', '' where $1::text is not null",
    set: "version = 'y'",
    reaches: `
      operator  all  -    -     -     -
      owner     all  all  none  none  may
      definer   all  all  none  none  may
    `,
  },
  {
    name: 'audit.seal_parts',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "insert into audit.seal_parts values (1, now(), 1, '', '{1}', '')",
    insert: "select 2, now(), 1, '', '{1}', '' where $1::text is not null",
    set: 'row_count = 2',
    reaches: `
      owner    all  all  LTA03  none  may
      definer  all  all  LTA03  none  may
    `,
  },
  {
    name: 'audit.sealing',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: 'select 1',
    insert: '(only_row) select false where $1::text is not null',
    set: "seen_xmax = '1'",
    reaches: `
      owner    all  all  all  all  may
      definer  all  all  all  all  may
    `,
  },
  {
    name: 'legacy.agent_fields',
    fill: `insert into legacy.agent_fields (tenant_id, agent_id) values ($1, 'shared')`,
    insert: `(tenant_id, agent_id) values ($1, 'nobody')`,
    set: `status = 'busy'`,
    reaches: `
      service    own   own   own   own   -
      owner      none  none  none  none  may
      jobs       own   -     -     own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'legacy.task_fields',
    fill: `insert into legacy.task_fields (tenant_id, task_id) select tenant_id, id from app_public.tasks where tenant_id = $1 limit 1`,
    insert: `(tenant_id, task_id) values ($1, gen_random_uuid())`,
    set: `status = 'started'`,
    reaches: `
      service    own   own   own   own   -
      owner      none  none  none  none  may
      jobs       own   -     -     own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'legacy.workflow_fields',
    fill: `insert into legacy.workflow_fields (tenant_id, workflow_id) select tenant_id, id from app_public.workflows where tenant_id = $1 limit 1`,
    insert: `(tenant_id, workflow_id) values ($1, gen_random_uuid())`,
    set: `status = 'active'`,
    reaches: `
      service    own   own   own   own   -
      owner      none  none  none  none  may
      jobs       own   -     -     own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'legacy.turns',
    fill: `insert into legacy.turns (tenant_id, thread_id, number) select tenant_id, id, 1 from app_public.threads where tenant_id = $1 limit 1`,
    insert: `(tenant_id, thread_id, number) values ($1, gen_random_uuid(), 1)`,
    set: `success = true`,
    reaches: `
      service    own   own   own   own   -
      owner      none  none  none  none  may
      jobs       own   -     -     own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'legacy.users',
    fill: `insert into legacy.users (tenant_id, username) values ($1, 'one')`,
    insert: `(tenant_id, username) values ($1, 'new')`,
    set: `is_active = false`,
    reaches: `
      service    own   own   own   own   -
      owner      none  none  none  none  may
      jobs       own   -     -     own   -
      definer    none  none  none  none  may
    `,
  },
  {
    name: 'ops.job_runs',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "select ops.begin_run('job', 'somebody', '1 hour')",
    insert: "(task, worker, lease_until) select 'x', 'x', now() where $1::text is not null",
    set: "note = 'x'",
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.ended_sessions',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "insert into ops.ended_sessions (login, reason) values ('somebody', 'statement')",
    insert: "(login, reason) select 'x', 'x' where $1::text is not null",
    set: 'last_at = now()',
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.refused_callers',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "insert into ops.refused_callers (caller, what, count) values ('address 192.0.2.1', 'connections', 1)",
    insert: "(caller, what, count) select 'x', 'x', 1 where $1::text is not null",
    set: 'last_at = now()',
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.stopped_writes',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "insert into ops.stopped_writes (reason) values ('a test')",
    insert: "(reason) select 'x' where $1::text is not null",
    set: 'begun_at = now()',
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.workers',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "select ops.see_worker('somebody', 'host', 1, '0')",
    insert: "(id, host, pid, version) select 'x', 'x', 1, 'x' where $1::text is not null",
    set: 'seen_at = now()',
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.job_tasks',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: `select ops.set_job_tasks('[{"task": "job", "does": "x", "expected": "1 hour"}]')`,
    insert: "(task, does, expected) select 'x', 'x', '1 hour' where $1::text is not null",
    set: "does = 'x'",
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.alerts',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: `select ops.report_alerts('x', '[{"subject": "x", "severity": "error", "message": "x"}]')`,
    insert: "(kind, subject, severity, message) select 'x', 'x', 'error', 'x' where $1::text is not null",
    set: "message = 'x'",
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.quarantined_items',
    fill: "insert into ops.quarantined_items (task, tenant_id, item, code, reason) values ('x', $1, 'x', 'x', 'x')",
    insert: "(task, tenant_id, item, code, reason) values ('new', $1, 'x', 'x', 'x')",
    set: "reason = 'x'",
    reaches: `
      operator  all  -    -    -    -
      owner     all  all  all  all  may
      jobs      all  -    -    -    -
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.retention_policies',
    tenants: [null],
    tenantColumn: 'null::text',
    insert: "(policy, description, by_tenant) select 'new', 'new', true where $1::text is not null",
    set: "description = 'x'",
    reaches: `
      operator  all  -    -    -    -
      owner     all  all  all  all  may
      jobs      all  -    -    -    -
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.retention_overrides',
    fill: "insert into ops.retention_overrides (policy, tenant_id, keep) values ('sessions', $1, '1 day')",
    insert: "(policy, tenant_id) values ('tasks', $1)",
    set: 'keep = keep',
    reaches: `
      operator  all  -    -    -    -
      owner     all  all  all  all  may
      jobs      all  -    -    -    -
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.retention_holds',
    fill: "insert into ops.retention_holds (policy, tenant_id, held, reason) values ('metrics.day', $1, '(,)', 'test')",
    insert: "(policy, tenant_id, held, reason) values ('tasks', $1, '(,)', 'new')",
    set: "reason = 'x'",
    reaches: `
      operator  all  all  -    all  -
      owner     all  all  all  all  may
      jobs      all  -    -    -    -
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.partition_removals',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: `insert into ops.partition_removals (partition, parent, policy, held, rows_by_tenant)
     values ('gone', 'x', 'y', '(,)', '{}')`,
    insert: "(partition, parent, policy, held) select 'p', 'x', 'y', '(,)' where $1::text is not null",
    set: "parent = 'x'",
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.queued_jobs',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: `select ops.report_jobs('[{"id": 1, "task": "x", "due_at": "2026-01-01", "attempts": 0, "max_attempts": 1, "created_at": "2026-01-01"}]')`,
    insert:
      "(id, task, due_at, attempts, max_attempts, created_at) select 2, 'x', now(), 0, 1, now() where $1::text is not null",
    set: "task = 'y'",
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.retention_receipts',
    fill: "insert into ops.retention_receipts (policy, tenant_id, older_than, row_count) values ('sessions', $1, now(), 1)",
    insert: "(policy, tenant_id, older_than, row_count) values ('tasks', $1, now(), 1)",
    set: "policy = 'x'",
    setBy: { jobs: 'row_count = 2' },
    reaches: `
      operator  all  -    -    -    -
      owner     all  all  all  all  may
      jobs      all  all  all  -    -
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.backups',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: `select ops.record_backups('[{"id": "b", "kind": "full", "startedAt": "2026-01-01", "endedAt": "2026-01-01",
       "objects": 1, "bytes": 1, "storedBytes": 1, "manifestSha256": "0"}]')`,
    insert: `(id, kind, started_at, ended_at, objects, bytes, stored_bytes, manifest_sha256)
     select 'x', 'full', now(), now(), 1, 1, 1, 'x' where $1::text is not null`,
    set: 'removed_at = now()',
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.tenant_removals',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "insert into ops.tenant_removals (id, ended_at) values ('gone', now())",
    insert: "(id) select 'new' where $1::text is not null",
    set: 'begun_at = now()',
    reaches: `
      operator  all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.wal_receivers',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "select ops.see_wal_receiver('slot', true, '0/1', 0, null, 'reserved', null)",
    insert: "(slot, receiving) select 'x', true where $1::text is not null",
    set: 'seen_at = now()',
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
  {
    name: 'ops.drills',
    tenants: [null],
    tenantColumn: 'null::text',
    fill: "select ops.record_drill(now(), '{b}', '0/1', 1, 1, 1, '{x}', '[]')",
    insert: `(started_at, backups, compared_tables, compared_rows, problems, self_tests)
     select now(), '{}', 0, 0, '{x}', '[]' where $1::text is not null`,
    set: "problems = '{y}'",
    reaches: `
      operator  all  -    -    -    -
      worker    all  -    -    -    -
      owner     all  all  all  all  may
      definer   all  all  all  all  may
    `,
  },
];
