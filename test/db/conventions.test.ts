import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rolePlaceholders } from '../../src/db/roles.ts';
import { refusalStatuses } from '../../src/errors.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const placeholders = rolePlaceholders(testRolePrefix);
const schemaNames = ['app_public', 'app_private', 'audit', 'ops', 'legacy'];
const schemas = `(${schemaNames.map((name) => `'${name}'`).join(', ')})`;
const functionsOf = (role: string) =>
  `select p.oid::regprocedure::text from pg_proc p where p.proowner = 'lightning_${role}'::regrole`;
const searchFunctions = functionsOf('search');
const jobFunctions = functionsOf('jobs');

/** Tables of tenants whose changes are not logged: those whose files say that they are exempt. */
const unlogged = "'app_public.task_leases'";

/** Tables outside of the tenants' schemas that hold decisions: who may enter, and what is kept. */
const decided = [
  'app_private.api_keys',
  'app_private.tenant_logins',
  'ops.retention_holds',
  'ops.retention_overrides',
  'ops.retention_policies',
];

/** What the catalog says of the product's objects; each check gives the name of an object and whether it keeps the rule, and says what to do where it does not. */
const checks: readonly (readonly [rule: string, mend: string, query: string])[] = [
  [
    'every table has row-level security, enabled and forced, partitions too',
    'alter table ... enable row level security, force row level security, in the file of the table',
    `select c.oid::regclass::text as name, c.relrowsecurity and c.relforcerowsecurity as kept
     from pg_class c where c.relnamespace::regnamespace::text in ${schemas} and c.relkind in ('r', 'p')`,
  ],
  [
    'every object belongs to the owner',
    'set local role :OWNER where it is made',
    `select c.oid::regclass::text as name, c.relowner::regrole::text = 'lightning_owner' as kept
     from pg_class c
     where c.relnamespace::regnamespace::text in ${schemas}
     union all
     select p.oid::regprocedure::text, p.proowner::regrole::text = 'lightning_owner'
     from pg_proc p
     where p.pronamespace::regnamespace::text in ${schemas}
       and p.oid::regprocedure::text not in (select name from (${searchFunctions} union all ${jobFunctions}) s(name))
     union all
     select n.nspname, n.nspowner::regrole::text = 'lightning_owner'
     from pg_namespace n where n.nspname in ${schemas}`,
  ],
  [
    'no function can be executed by everybody',
    'revoke execute on function ... from public, in its file',
    `select p.oid::regprocedure::text as name, not exists (
       select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
       where a.grantee = 0 and a.privilege_type = 'EXECUTE'
     ) as kept
     from pg_proc p where p.pronamespace::regnamespace::text in ${schemas}`,
  ],
  [
    'every function of app_public and ops may be executed by a role of requests or of operation',
    'grant execute on function ... to ..., in its file, below a comment that says who they are',
    `select p.oid::regprocedure::text as name, exists (
       select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
       where a.grantee <> p.proowner and a.privilege_type = 'EXECUTE'
     ) as kept
     from pg_proc p
     where p.pronamespace::regnamespace::text in ('app_public', 'ops') and p.prorettype <> 'trigger'::regtype
       -- The login of migrations calls these, as the owner.
       and p.oid::regprocedure::text not in ('ops.bind_login(name,text)', 'ops.unbind_login(name)',
         'ops.limit_login(name,integer,integer,integer,integer,integer)',
         'ops.create_api_key(text,text,text,interval)', 'ops.revoke_api_key(text)', 'ops.tables_of_tenants()',
         'ops.begin_tenant_removal(text)', 'ops.delete_tenant_rows(text,regclass,integer)', 'ops.delete_tenant_circle(text,regclass[])', 'ops.end_tenant_removal(text)')`,
  ],
  [
    'nothing else is granted to everybody either',
    'revoke all on ... from public, in its file',
    `select c.oid::regclass::text as name, not exists (
       select from aclexplode(c.relacl) a where a.grantee = 0
       union all
       select from pg_attribute t, aclexplode(t.attacl) a where t.attrelid = c.oid and a.grantee = 0
     ) as kept
     from pg_class c where c.relnamespace::regnamespace::text in ${schemas}
     union all
     select n.nspname, not exists (select from aclexplode(n.nspacl) a where a.grantee = 0)
     from pg_namespace n where n.nspname in ${schemas}`,
  ],
  [
    'every definer function pins its search_path and belongs to the owner, or to the role of searches or of jobs',
    'set search_path to pg_catalog, pg_temp',
    `select p.oid::regprocedure::text as name,
       'search_path=pg_catalog, pg_temp' = any (p.proconfig)
         and p.proowner::regrole::text in ('lightning_owner', 'lightning_search', 'lightning_jobs') as kept
     from pg_proc p where p.prosecdef and p.pronamespace::regnamespace::text in ${schemas}`,
  ],
  [
    'what belongs to the role of searches is definer functions of app_public that take no tenant, and nothing else',
    'make it as :OWNER, or as a definer without tenant_id',
    `select s.name, p.prosecdef and p.pronamespace::regnamespace::text = 'app_public'
       and not 'tenant_id' = any (coalesce(p.proargnames, '{}')) as kept
     from (${searchFunctions}) s(name) join pg_proc p on p.oid::regprocedure::text = s.name
     union all
     select pg_describe_object(d.classid, d.objid, d.objsubid), false
     from pg_shdepend d
     where d.refobjid = 'lightning_search'::regrole and d.deptype = 'o' and d.classid <> 'pg_proc'::regclass
       and d.dbid = (select oid from pg_database where datname = current_database())
     union all
     select 'schema ' || n.nspname, not has_schema_privilege('lightning_search', n.oid, 'create')
     from pg_namespace n where n.nspname in ${schemas}`,
  ],
  [
    'what belongs to the role of jobs is definer functions of ops that the worker alone calls, and nothing else',
    'make it as :OWNER, or grant it to :WORKER and to nobody else',
    `select s.name, p.prosecdef and p.pronamespace::regnamespace::text = 'ops'
       and (
         select array_agg(a.grantee::regrole::text) = '{lightning_worker}'
         from aclexplode(p.proacl) a where a.grantee <> p.proowner
       ) as kept
     from (${jobFunctions}) s(name) join pg_proc p on p.oid::regprocedure::text = s.name
     union all
     select pg_describe_object(d.classid, d.objid, d.objsubid), false
     from pg_shdepend d
     where d.refobjid = 'lightning_jobs'::regrole and d.deptype = 'o' and d.classid <> 'pg_proc'::regclass
       and d.dbid = (select oid from pg_database where datname = current_database())
     union all
     select 'schema ' || n.nspname, not has_schema_privilege('lightning_jobs', n.oid, 'create')
     from pg_namespace n where n.nspname in ${schemas}`,
  ],
  [
    'nobody is a member of the role of jobs or of searches but the owner, which does not inherit it',
    'revoke it: whoever becomes it reaches the rows of all tenants',
    `select m.roleid::regrole || ' of ' || m.member::regrole as name,
       m.member = 'lightning_owner'::regrole and not m.inherit_option and not m.admin_option as kept
     from pg_auth_members m
     where m.roleid in ('lightning_jobs'::regrole, 'lightning_search'::regrole)
       and not (select r.rolsuper or r.rolcreaterole from pg_roles r where r.oid = m.member)`,
  ],
  [
    'the worker has no right on a table of tenants',
    'grant it to :JOBS, and let a definer function of :JOBS use it',
    `select c.oid::regclass::text as name, not exists (
       select from aclexplode(c.relacl) a where a.grantee = 'lightning_worker'::regrole
       union all
       select from pg_attribute t, aclexplode(t.attacl) a
       where t.attrelid = c.oid and a.grantee = 'lightning_worker'::regrole
     ) as kept
     from pg_class c
     where c.relnamespace::regnamespace::text in ('app_public', 'app_private', 'audit', 'legacy') and c.relkind in ('r', 'p', 'v', 'm')`,
  ],
  [
    'every function that is not parsed ahead pins its search_path',
    'set search_path to pg_catalog, pg_temp, or write it as begin atomic',
    `select p.oid::regprocedure::text as name, 'search_path=pg_catalog, pg_temp' = any (p.proconfig) as kept
     from pg_proc p where p.prosqlbody is null and p.pronamespace::regnamespace::text in ${schemas}`,
  ],
  [
    'every schema, table, view and function says what it is',
    'comment on ... is, in its file',
    `select n.nspname as name, obj_description(n.oid, 'pg_namespace') is not null as kept
     from pg_namespace n where n.nspname in ${schemas}
     union all
     select c.oid::regclass::text, obj_description(c.oid, 'pg_class') is not null
     from pg_class c
     where c.relnamespace::regnamespace::text in ${schemas} and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
     union all
     select p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc') is not null
     from pg_proc p where p.pronamespace::regnamespace::text in ${schemas}`,
  ],
  [
    'every column says what it is',
    'comment on column ... is, in the file of the table',
    `select c.oid::regclass || '.' || a.attname as name, col_description(c.oid, a.attnum) is not null as kept
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace::regnamespace::text in ${schemas} and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition`,
  ],
  [
    'insert and update are granted by column, never for a whole table',
    'grant insert (column, ...)',
    `select c.oid::regclass || ' to ' || a.grantee::regrole as name, a.privilege_type not in ('INSERT', 'UPDATE') as kept
     from pg_class c, aclexplode(c.relacl) a
     where c.relnamespace::regnamespace::text in ${schemas} and c.relkind in ('r', 'p', 'v', 'm')
       and a.grantee <> c.relowner`,
  ],
  [
    'no update of a key or of created_at is granted',
    'leave it out of grant update (...)',
    `select c.oid::regclass || '.' || t.attname || ' to ' || a.grantee::regrole as name,
       t.attname not in ('tenant_id', 'id', 'created_at', 'updated_at')
         -- The legacy system's models write it with every change.
         or t.attname = 'updated_at' and c.relnamespace = 'legacy'::regnamespace as kept
     from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
     where c.relnamespace::regnamespace::text in ${schemas} and a.privilege_type = 'UPDATE'`,
  ],
  [
    'no right is granted that outlives or exceeds reading and writing rows (truncate, references, trigger, maintain), or may be handed on',
    'grant select, insert, update or delete only',
    `select c.oid::regclass || ' ' || a.privilege_type || ' to ' || a.grantee::regrole as name,
       a.privilege_type in ('SELECT', 'DELETE') and not a.is_grantable as kept
     from pg_class c, aclexplode(c.relacl) a
     where c.relnamespace::regnamespace::text in ${schemas} and c.relkind in ('r', 'p', 'v', 'm')
       and a.grantee <> c.relowner`,
  ],
  [
    'nobody but the owner has any right on a partition',
    'revoke all on it, and grant on the parent',
    `select c.oid::regclass::text as name, not exists (
       select from aclexplode(c.relacl) a where a.grantee <> c.relowner
       union all
       select from pg_attribute t, aclexplode(t.attacl) a where t.attrelid = c.oid
     ) as kept
     from pg_class c where c.relispartition and c.relkind in ('r', 'p')
       and c.relnamespace::regnamespace::text in ${schemas}`,
  ],
  [
    'a partition has no policies: its parent decides',
    'drop the policy, and make it on the parent',
    `select c.oid::regclass::text as name, not exists (select from pg_policy p where p.polrelid = c.oid) as kept
     from pg_class c where c.relispartition and c.relkind in ('r', 'p')
       and c.relnamespace::regnamespace::text in ${schemas}`,
  ],
  [
    'every foreign key says what a delete does',
    'on delete restrict, cascade or set null (column)',
    `select k.conrelid::regclass || ' ' || k.conname as name, k.confdeltype <> 'a' as kept
     from pg_constraint k where k.contype = 'f' and k.connamespace::regnamespace::text in ${schemas}`,
  ],
  [
    'every foreign key has an index that starts with its columns',
    'create index ... in current.sql',
    `select k.conrelid::regclass || ' ' || k.conname as name, exists (
       select from pg_index i
       where i.indrelid = k.conrelid and i.indisvalid
         -- What refers to something is not null, so an index on that alone serves a column that mostly is.
         and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = (
           select format('(%I IS NOT NULL)', a.attname)
           from pg_attribute a where a.attrelid = k.conrelid and a.attnum = k.conkey[cardinality(k.conkey)]
         ))
         and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
     ) as kept
     from pg_constraint k where k.contype = 'f' and k.connamespace::regnamespace::text in ${schemas}`,
  ],
  [
    "every foreign key between a tenant's tables stays in the tenant",
    'foreign key (tenant_id, ...)',
    `select k.conrelid::regclass || ' ' || k.conname as name, (
       select a.attnum = any (k.conkey) from pg_attribute a where a.attrelid = k.conrelid and a.attname = 'tenant_id'
     ) as kept
     from pg_constraint k where k.contype = 'f' and k.connamespace::regnamespace::text in ('app_public', 'legacy')`,
  ],
  [
    "every primary key of a tenant's table starts with the tenant",
    'primary key (tenant_id, ...)',
    `select i.indrelid::regclass::text as name, a.attname = 'tenant_id' as kept
     from pg_index i
     join pg_class c on c.oid = i.indrelid and c.relnamespace::regnamespace::text in ('app_public', 'legacy')
     join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
     where i.indisprimary and c.relname <> 'tenants'`,
  ],
  [
    'triggers are called _NNN_purpose',
    'rename it: _100 timestamps, _200 guards, _500 effects, _800 audit',
    `select t.tgrelid::regclass || ' ' || t.tgname as name, t.tgname ~ '^_[1-9]00_[a-z_]+$' as kept
     from pg_trigger t join pg_class c on c.oid = t.tgrelid
     where not t.tgisinternal and c.relnamespace::regnamespace::text in ${schemas}`,
  ],
  [
    'trigger functions are called tg__purpose or tg_<table>__purpose, and nothing else is',
    'rename it',
    `select p.oid::regprocedure::text as name,
       (p.prorettype = 'trigger'::regtype) = (p.proname ~ '^tg_([a-z]+)?_[a-z_]+$') as kept
     from pg_proc p where p.pronamespace::regnamespace::text in ${schemas}`,
  ],
  [
    "every JSON column of a tenant's table refuses numbers that print without end",
    'add the trigger _200_long_numbers, as sql/agents/agents.sql has it',
    `select c.oid::regclass || '.' || a.attname as name, exists (
       select from pg_trigger t
       where t.tgrelid = c.oid and t.tgfoid = 'app_private.tg__refuse_long_numbers'::regproc
         and t.tgargs = convert_to(a.attname, 'UTF8') || '\\x00' and t.tgtype & 7 = 7 and t.tgtype & 16 > 0
     ) as kept
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.atttypid = 'jsonb'::regtype and a.attgenerated = ''
     where c.relnamespace::regnamespace::text in ('app_public', 'legacy') and c.relkind in ('r', 'p') and not c.relispartition
       -- Made of tags, steps and results that were let in.
       and c.relname !~ '^(metrics_(minute|hour|day)|workflow_steps)$'`,
  ],
  [
    "every tenant's table with updated_at keeps it",
    'add the trigger _100_timestamps, as sql/agents/agents.sql has it',
    `select c.oid::regclass::text as name, exists (
       select from pg_trigger t
       where t.tgrelid = c.oid and t.tgfoid = 'app_private.tg__touch_updated_at'::regproc and t.tgtype & 19 = 19
     ) as kept
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'updated_at'
     where c.relnamespace::regnamespace::text in ('app_public', 'legacy') and c.relkind in ('r', 'p') and not c.relispartition`,
  ],
  [
    'every table that requests may update guards its key',
    'add the trigger _200_keys, as sql/agents/agents.sql has it',
    `select distinct c.oid::regclass::text as name, exists (
       select from pg_trigger t
       where t.tgrelid = c.oid and t.tgfoid = 'app_private.tg__refuse_key_change'::regproc and t.tgtype & 19 = 19
         and t.tgattr::int2[] @> (select i.indkey::int2[] from pg_index i where i.indrelid = c.oid and i.indisprimary)
     ) as kept
     from pg_class c join pg_attribute u on u.attrelid = c.oid, aclexplode(u.attacl) a
     where c.relnamespace::regnamespace::text in ('app_public', 'legacy') and c.relkind in ('r', 'p') and not c.relispartition
       and a.privilege_type = 'UPDATE'
       and a.grantee in ('lightning_member'::regrole, 'lightning_service'::regrole, 'lightning_admin'::regrole)`,
  ],
  [
    'policies are called <command>_<who>',
    'rename it',
    `select p.tablename || ' ' || p.policyname as name,
       p.policyname ~ ('^' || case p.cmd when 'ALL' then 'manage' else lower(p.cmd) end || '_[a-z]+$') as kept
     from pg_policies p where p.schemaname in ${schemas}`,
  ],
  [
    'no policy is for everybody',
    'create policy ... to :MEMBER, ...',
    `select p.tablename || ' ' || p.policyname as name, not 'public' = any (p.roles) as kept
     from pg_policies p where p.schemaname in ${schemas}`,
  ],
  [
    'constraints are called as Postgres would call them',
    'rename it: the tenant is left out of names',
    // The tenant is in nearly every key, so it is left out of names but for the foreign key that is the tenant's alone.
    `select k.conrelid::regclass || ' ' || k.conname as name,
       case k.contype
         when 'p' then k.conname = c.relname || '_pkey'
         when 'f' then k.conname = c.relname || '_' || k.columns || '_fkey'
         when 'u' then k.conname = c.relname || '_' || k.columns || '_key'
         when 'c' then k.conname ~ ('^' || c.relname || '_[a-z_]+_check$')
         else false
       end as kept
     from (
       select k.*, (
         select string_agg(a.attname, '_' order by n.position)
         from unnest(k.conkey) with ordinality n(attnum, position)
         join pg_attribute a on a.attrelid = k.conrelid and a.attnum = n.attnum
         where a.attname <> 'tenant_id' or cardinality(k.conkey) = 1
       ) as columns
       from pg_constraint k where k.contype not in ('n', 't') and k.connamespace::regnamespace::text in ${schemas}
     ) k join pg_class c on c.oid = k.conrelid and not c.relispartition`,
  ],
  [
    'indexes are called as Postgres would call them',
    'rename it: the tenant is left out of names',
    `select i.indexrelid::regclass::text as name, x.relname = c.relname || '_' || i.columns || '_idx' as kept
     from (
       select i.*, (
         select string_agg(coalesce(a.attname, e.attname), '_' order by n.position)
         from unnest(i.indkey) with ordinality n(attnum, position)
         left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = n.attnum and n.attnum > 0
         -- An expression goes by the column that it is of.
         left join lateral (
           select c.attname
           from pg_depend d join pg_attribute c on c.attrelid = d.refobjid and c.attnum = d.refobjsubid
           where n.attnum = 0 and d.objid = i.indexrelid and d.refobjid = i.indrelid and d.refobjsubid > 0
             and c.attname <> 'tenant_id'
         ) e on true
         -- Left out as in constraints; the log and bindings are not the tenant's own tables, there it says something.
         where a.attname is distinct from 'tenant_id' or t.relnamespace::regnamespace::text not in ('app_public', 'legacy')
       ) as columns
       from pg_index i join pg_class t on t.oid = i.indrelid
     ) i
     join pg_class x on x.oid = i.indexrelid
     join pg_class c on c.oid = i.indrelid and not c.relispartition
     where c.relnamespace::regnamespace::text in ${schemas}
       and not exists (select from pg_constraint k where k.conindid = i.indexrelid)`,
  ],
  [
    'every time has a time zone',
    'timestamptz',
    // But for legacy.sessions, whose readers compare with a clock of their own that has none.
    `select c.oid::regclass || '.' || a.attname as name,
       a.atttypid <> 'timestamp'::regtype or c.oid = 'legacy.sessions'::regclass as kept
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace::regnamespace::text in ${schemas} and c.relkind in ('r', 'p', 'v')
       and (a.attname ~ '_at$' or a.attname in ('at', 'timestamp'))`,
  ],
  [
    "every tenant's table is audited, and what operators decide, every event; of what is exempt, truncates",
    'select audit.enable_tracking(...) at the end of its file, or -- Exempt from audit with the reason',
    `select c.oid::regclass || ' ' || e.event as name, exists (
       select from pg_trigger t
       where t.tgrelid = c.oid and t.tgname = '_800_audit_' || e.event and t.tgenabled = 'O' and t.tgtype & e.bit > 0
         and t.tgtype & 2 = 0
     ) = (e.event = 'truncate' or c.relnamespace::regnamespace || '.' || c.relname <> all (array[${unlogged}])) as kept
     from pg_class c, (values ('insert', 4), ('delete', 8), ('update', 16), ('truncate', 32)) e(event, bit)
     where (c.relnamespace::regnamespace::text in ('app_public', 'legacy') or c.oid = any ('{${decided.join(',')}}'::regclass[]))
       and c.relkind in ('r', 'p')`,
  ],
  [
    'what is logged of an updated row is every column that changed',
    'include the file of the table again: its audit line writes the logger anew',
    `select t.tgrelid::regclass || '.' || a.attname as name, p.prosrc like format(
       '%%v_after.%1$I%%v_before.%1$I%% then%%jsonb_build_object(%1$L, v_before.%1$I)%%jsonb_build_object(%1$L, v_after.%1$I)%%',
       a.attname
     ) as kept
     from pg_trigger t join pg_proc p on p.oid = t.tgfoid
     join pg_attribute a on a.attrelid = t.tgrelid and a.attnum > 0 and not a.attisdropped
     where t.tgname = '_800_audit_update' and p.proname like '%\\_\\_log\\_rows'
       and a.attname <> audit.tenant_column(t.tgrelid)
       -- The last argument: columns that the log leaves out.
       and pg_get_triggerdef(t.oid) !~ ('\\{([a-z_]+,)*' || a.attname || '(,[a-z_]+)*\\}''\\)$')`,
  ],
];

describe.skipIf(noServer)('the schema keeps its conventions', () => {
  let database: MigratedDatabase;
  let admin: Client;

  beforeAll(async () => {
    database = await migratedDatabase();
    admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    await admin?.end();
    await database?.drop();
  });

  test.each(checks)('%s', async (rule, mend, query) => {
    const { rows } = await admin.query<{ name: string; kept: boolean | null }>(query);
    expect(rows.length).toBeGreaterThan(0);
    const files = await filesOfObjects();
    const faults = rows.filter((row) => row.kept !== true).map(({ name }) => inFile(name, files));
    expect(faults, `${rule}. To mend: ${mend}`).toEqual([]);
  });

  test('the files of tables say what is audited, with its exemptions, partitions included', async () => {
    const listed = new Map<string, { digested: string; detail: boolean; counter: string | undefined }>();
    const exemptTables: string[] = [];
    for (const file of await allSqlFiles()) {
      const text = await sqlFile(file);
      for (const [, table = '', digested = '', summary, counter] of text.matchAll(
        /^select audit\.enable_tracking\('([\w.]+)'(?:, digested => '\{(\w+)\}')?(, detail => false)?(?:, counter => '(:\w+)')?(?:, omitted => '\{[\w,]+\}')?\);$/gm,
      )) {
        listed.set(table, {
          digested,
          detail: summary === undefined,
          counter: counter && placeholders[counter],
        });
      }
      for (const [, table = ''] of text.matchAll(/^-- Exempt from audit[^:]*: (\w+\.\w+)/gm))
        exemptTables.push(table);
    }
    expect(exemptTables.map((table) => `'${table}'`).join()).toBe(unlogged);
    const { rows } = await admin.query<{
      name: string;
      parent: string | null;
      definition: string;
      source: string;
    }>(
      `select t.tgrelid::regclass::text as name, i.inhparent::regclass::text as parent, pg_get_triggerdef(t.oid) as definition,
         p.prosrc as source
       from pg_trigger t join pg_proc p on p.oid = t.tgfoid left join pg_inherits i on i.inhrelid = t.tgrelid
       where t.tgname like '\\_800\\_audit\\_%' and t.tgname <> '_800_audit_truncate'`,
    );
    const qualified = (name: string) => (name.includes('.') ? name : `app_public.${name}`);
    expect(
      new Set(rows.map((row) => qualified(row.parent ?? row.name))),
      'the tables that the database audits (received) are not those that the files of sql/ do (expected): npm run db:commit -- --message <what_it_does>, with the file of the table included',
    ).toEqual(new Set(listed.keys()));
    expect(rows.some((row) => row.parent !== null)).toBe(true);
    for (const row of rows) {
      const expected = listed.get(qualified(row.parent ?? row.name));
      expect(row.definition).toMatch(
        expected?.detail
          ? /EXECUTE FUNCTION audit\.tg_\w*_log_rows?\('\{.*\}', '\{\w*\}', '\{[\w,]*\}'\)$/
          : /tg__log_summary\(\)$/,
      );
      const digested = new Set(
        [
          ...row.source.matchAll(/audit\.digest\(.+, '\{(\w*)\}'\)/g),
          // Row triggers get the columns as an argument.
          ...row.definition.matchAll(/tg__log_row\('\{.*\}', '\{(\w+)\}', '\{\w*\}'\)/g),
        ].map(([, name]) => name),
      );
      expect([row.name, ...digested]).toEqual([row.name, ...(expected?.digested ? [expected.digested] : [])]);
      const exempt =
        expected?.counter !== undefined && row.definition.includes(' AFTER UPDATE ')
          ? `WHEN ((CURRENT_USER <> '${expected.counter}'::name))`
          : undefined;
      expect(/ WHEN .*(?= EXECUTE)/.exec(row.definition)?.[0].trim()).toBe(exempt);
    }
  });

  test("the placeholders of graphile-migrate are the product's roles", async () => {
    const text = await readFile(`${root}.gmrc`, 'utf8');
    const block = /"placeholders": \{([^}]*)\}/.exec(text)?.[1] ?? '';
    const named = Object.fromEntries([...block.matchAll(/"(:\w+)": "(\w+)"/g)].map(([, k, v]) => [k, v]));
    expect(named).toEqual(placeholders);
    const { rows } = await admin.query(
      'select count(*)::int as count from pg_roles where rolname = any ($1) and not rolcanlogin and not rolsuper and not rolbypassrls and not rolcreaterole',
      [Object.values(placeholders)],
    );
    expect(rows).toEqual([{ count: Object.keys(placeholders).length }]);
  });

  test('an error code of ours stands for one thing, and a comment on the function says so', async () => {
    const files = await allSqlFiles();
    const raised = new Map<string, string[]>();
    for (const file of files) {
      const text = await sqlFile(file);
      for (const [, message, code] of text.matchAll(
        /raise exception '((?:[^']|'')*)'[^;]*errcode = '(LT\w+)'/g,
      ))
        raised.set(code!, [...(raised.get(code!) ?? []), message!]);
      const calls = [...text.matchAll(/perform app_private\.refuse_argument\('(LT\w{3})', /g)];
      const named = text.match(/perform app_private\.refuse_argument\(/g)?.length ?? 0;
      expect([file, named]).toEqual([file, calls.length]);
      for (const [, code] of calls) raised.set(code!, [...(raised.get(code!) ?? []), 'invalid %: %']);
      // No other way to raise one than the patterns above see. refuse_argument raises the code that its callers name.
      const given = file === 'tasks/refuse_argument.sql' ? (text.match(/errcode = code;/g)?.length ?? 0) : 0;
      const literal = text.match(/raise exception '(?:[^']|'')*'[^;]*errcode = 'LT\w{3}'/g)?.length ?? 0;
      expect([file, text.match(/errcode/g)?.length ?? 0]).toEqual([file, literal + given]);
    }
    expect(raised.size).toBeGreaterThan(3);
    const { rows } = await admin.query<{ comment: string }>(
      "select obj_description(oid, 'pg_proc') as comment from pg_proc where obj_description(oid, 'pg_proc') ~ 'LT'",
    );
    const documented = rows.map((row) => row.comment).join();
    const page = await sqlFile('README.md');
    const areas = /begin with `LT`; the next is the area \(([^)]*)\)/.exec(page)?.[1] ?? '';
    const listed = new Map(
      [...page.matchAll(/^\| (LT\w{3}) +\| (\d{3}) /gm)].map(([, code = '', status]) => [
        code,
        Number(status),
      ]),
    );
    const faults: string[] = [];
    for (const [code, messages] of raised) {
      const status = refusalStatuses[code] ?? 400;
      if (new Set(messages).size > 1)
        faults.push(
          `${code} has several messages: ${[...new Set(messages)].join(' / ')}; take a code for each`,
        );
      if (!documented.includes(code))
        faults.push(`${code}: name it in the comment on a function that callers see, in its file of sql/`);
      if (!areas.includes(`\`${code[2]}\``))
        faults.push(`${code}: the list of areas in sql/README.md, "Errors", has no \`${code[2]}\``);
      if (!listed.has(code))
        faults.push(
          `${code}: the table at the end of sql/README.md has no line for it; its HTTP status is ${status}`,
        );
      else if (listed.get(code) !== status)
        faults.push(
          `${code}: sql/README.md says ${listed.get(code)}, and refusalStatuses of src/errors.ts ${status}`,
        );
    }
    for (const code of Object.keys(refusalStatuses))
      if (!raised.has(code))
        faults.push(`${code}: stands in src/errors.ts, and no function of sql/ raises it`);
    for (const code of listed.keys())
      if (!raised.has(code))
        faults.push(`${code}: stands in sql/README.md, and no function of sql/ raises it`);
    expect(faults).toEqual([]);
    expect([...listed.keys()], 'the table of sql/README.md is sorted').toEqual([...listed.keys()].toSorted());
  });

  test('a file of sql/ holds one object, under its name, and names it with its schema', async () => {
    const faults: string[] = [];
    const owners = new Map<string, string>();
    for (const file of await allSqlFiles()) {
      // Schemas, and what `lightning setup` runs.
      if (!file.includes('/') || file === 'tenancy/schemas.sql') continue;
      const objects = new Set(objectsOf(await sqlFile(file)));
      const name = file.replace(/^\w+\/|\.sql$/g, '');
      for (const object of objects) {
        // Two of one name in one folder: the second has its schema before it (tenancy/ops_tenants.sql).
        const fits = [object.replace('.', '_'), object.replace(/^\w+\./, '')].includes(name);
        if (!/^(app_public|app_private|audit|ops|legacy)\.\w+$/.test(object))
          faults.push(`sql/${file}: ${object} is not named with its schema`);
        else if (!fits) faults.push(`sql/${file}: ${object} belongs into a file of its own name`);
        else if (owners.has(object))
          faults.push(`sql/${file}: ${object} stands in ${owners.get(object)}, too`);
        owners.set(object, `sql/${file}`);
      }
      if (objects.size === 0) faults.push(`sql/${file}: there is no object in it`);
    }
    expect(owners.size).toBeGreaterThan(200);
    expect(faults).toEqual([]);
  });

  test('the file of a table says why each policy is there, revokes before it grants, and says what is not granted', async () => {
    const everybody = [
      'public',
      ...Object.keys(placeholders).filter((role) => !/^:(?:OWNER|RECORDER)$/.test(role)),
    ];
    const faults: string[] = [];
    let tables = 0;
    for (const file of await allSqlFiles()) {
      const text = await sqlFile(file);
      const [, table] = /^alter table ([\w.]+) enable row level security/m.exec(text) ?? [];
      if (table === undefined) continue;
      tables += 1;
      const paragraphs = text.split(/\n{2,}/);
      for (const paragraph of paragraphs) {
        const [, policy] = /^create policy (\w+)/m.exec(paragraph) ?? [];
        if (policy !== undefined && !paragraph.startsWith('-- '))
          faults.push(`sql/${file}: write a sentence above the policy ${policy} that says why it is there`);
      }
      const rights = paragraphs.find((each) => /^revoke all on /m.test(each)) ?? '';
      const [, revoked = ''] = new RegExp(`^revoke all on ${table} from ([^;]*);`, 'm').exec(rights) ?? [];
      const missing = everybody.filter((role) => !revoked.split(/,\s+/).includes(role));
      if (missing.length > 0)
        faults.push(
          `sql/${file}: write "revoke all on ${table} from ..." above the grants; missing: ${missing.join(', ')}`,
        );
      if (/^grant /m.test(text.slice(0, Math.max(0, text.search(/^revoke all on /m)))))
        faults.push(`sql/${file}: a grant stands above "revoke all on ${table}"`);
      if (!/^-- /m.test(rights))
        faults.push(
          `sql/${file}: write a comment beside the grants that says what is deliberately not granted`,
        );
    }
    expect(tables).toBeGreaterThan(30);
    expect(faults).toEqual([]);
  });

  test('a table whose file enables the audit log logs inserts, updates, deletes and truncates', async () => {
    const tracked: string[] = [];
    for (const file of await allSqlFiles())
      for (const [, name = ''] of (await sqlFile(file)).matchAll(
        /^select audit\.enable_tracking\('([^']*)'/gm,
      ))
        tracked.push(name);
    expect(tracked.length).toBeGreaterThan(20);
    const { rows } = await admin.query<{ name: string; logged: string[] }>(
      `select n.name, array(
         select substr(t.tgname, 12) from pg_trigger t
         where t.tgrelid = n.name::regclass and t.tgname like '\\_800\\_audit\\_%' and t.tgenabled = 'O' order by 1
       ) as logged
       from unnest($1::text[]) n(name)`,
      [tracked],
    );
    expect(rows.filter(({ logged }) => logged.join() !== 'delete,insert,truncate,update')).toEqual([]);
    expect(rows).toHaveLength(tracked.length);
  });

  test('no file of sql/ needs cascade or names a role of its own', async () => {
    const files = await allSqlFiles();
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) {
      const code = (await sqlFile(file)).replaceAll(/--.*$/gm, '');
      expect([file, /\bcascade\b/i.test(code)]).toEqual([file, false]);
      expect([file, /\blightning_\w+/.test(code)]).toEqual([file, false]);
    }
  });
});

/** The tables, views, types and functions that the statements of a file are about, as the file names them. */
function objectsOf(text: string): string[] {
  const code = text.replaceAll(/^ *--.*$/gm, '').replaceAll(/\$\$[\s\S]*?\$\$/g, '$$$$');
  return [
    /^create or replace (?:function|view) ([\w.]+)/gm,
    /^alter (?:table|function|view) ([\w.]+)/gm,
    /^comment on (?:table|view|type|function) ([\w.]+)/gm,
    /^comment on column ([\w.]+)\.(?:\w+|"\w+") is/gm,
    /^comment on (?:constraint|trigger|policy) \w+ on ([\w.]+)/gm,
    /^(?:create|drop) policy (?:if exists )?\w+ on ([\w.]+)/gm,
    /^create or replace trigger \w+\s+(?:before|after) [\w ,"]+? on ([\w.]+)/gm,
    /^(?:grant|revoke) (?:[^;]*\s)?on (?:function )?(?!schema)([\w.]+)/gm,
    /^select audit\.enable_tracking\('([^']*)'/gm,
  ].flatMap((pattern) => [...code.matchAll(pattern)].map(([, name = '']) => name));
}

/** By an object's name with its schema: the file of sql/ that holds it. */
async function filesOfObjects(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const file of await allSqlFiles())
    for (const object of objectsOf(await sqlFile(file))) files.set(object, `sql/${file}`);
  return files;
}

/** The name, and the file in which its object stands where there is one: of `agents.name` and `agents select_tenant`, too. */
function inFile(name: string, files: ReadonlyMap<string, string>): string {
  const [object = ''] = /^[\w.]+/.exec(name) ?? [];
  const parts = object.split('.');
  const tries = [
    object,
    parts.slice(0, 2).join('.'),
    ...schemaNames.map((schema) => `${schema}.${parts[0]}`),
  ];
  const file = tries.map((each) => files.get(each)).find((each) => each !== undefined);
  return file === undefined ? name : `${name} (${file})`;
}

function sqlFile(file: string): Promise<string> {
  return readFile(`${root}sql/${file}`, 'utf8');
}

async function allSqlFiles(): Promise<string[]> {
  const files: string[] = [];
  // What is written by npm run db:schema is nobody's to keep.
  for await (const file of glob('**/*.sql', { cwd: `${root}sql` }))
    if (file !== 'schema.sql') files.push(file);
  return files.toSorted();
}
