--! Previous: sha1:02e51643c56cd0224aaf672ea10ef53587aeaeb8
--! Hash: sha1:68ebb19dc7842792d208c90d1fa4998ce024a1cf
--! Message: api_keys

create table app_private.api_keys (
  id text collate "C" not null,
  tenant_id text collate "C",
  name text not null,
  role text not null,
  digest text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  constraint api_keys_pkey primary key (id),
  constraint api_keys_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint api_keys_id_check check (id ~ '^[0-9a-f]{12}$'),
  constraint api_keys_name_check check (length(name) between 1 and 100),
  constraint api_keys_role_check check (role in ('member', 'service', 'admin', 'operator')),
  constraint api_keys_tenant_id_role_check check ((role = 'operator') = (tenant_id is null)),
  constraint api_keys_digest_check check (digest ~ '^[0-9a-f]{64}$')
);
create index api_keys_tenant_id_idx on app_private.api_keys (tenant_id);

--! Included keys/api_keys.sql
comment on table app_private.api_keys is 'Keys that services use in place of a JWT. A key itself is stored nowhere, only its digest.';
comment on column app_private.api_keys.id is 'The part of the key after `ltk_`, by which it is found: 12 hexadecimal digits, unique across tenants.';
comment on column app_private.api_keys.tenant_id is 'The tenant; null: an operator''s key, which belongs to no tenant.';
comment on column app_private.api_keys.name is 'The service that uses it: the subject of its requests. Two keys may have one name, so that one can replace the other.';
comment on column app_private.api_keys.role is 'The role of its requests: member, service, admin or operator.';
comment on column app_private.api_keys.digest is 'SHA-256 of the key, 64 hexadecimal digits.';
comment on column app_private.api_keys.created_by is 'The subject that made it, or the login of a direct connection.';
comment on column app_private.api_keys.created_at is 'When it was made.';
comment on column app_private.api_keys.expires_at is 'When it ends; null: never.';
comment on column app_private.api_keys.last_used_at is 'When it was last used, to the minute; null: not yet.';

alter table app_private.api_keys enable row level security, force row level security;

-- Across tenants

-- ops.key_claims finds a key by its id and digest, before its tenant is known, and ops.live_keys looks up keys of all tenants at
-- once, as the owner. create_api_key, list_api_keys and revoke_api_key compare the tenant themselves.
drop policy if exists manage_owner on app_private.api_keys;
create policy manage_owner on app_private.api_keys for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.api_keys from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody, so that nobody reads a digest: administrators make, list and revoke their tenant's keys by functions.

-- An update of the last use alone leaves no row: it would be one a minute for each key.
select audit.enable_tracking('app_private.api_keys', digested => '{digest}', omitted => '{last_used_at}');
--! EndIncluded keys/api_keys.sql
--! Included keys/new_api_token.sql
-- A new key: `ltk_`, the id by which it is found, `_`, 32 random bytes, and the first six characters of the digest of all that.
-- The last six let the API refuse a mistyped or made-up key without a question to the database. The bytes come from random UUIDs,
-- each 122 bits of the system's generator, folded by SHA-256.
create or replace function app_private.new_api_token() returns text
language sql volatile
set search_path to pg_catalog, pg_temp
as $$
  select b.body || substr(translate(encode(sha256(convert_to(b.body, 'UTF8')), 'base64'), '+/', '-_'), 1, 6)
  from (
    select 'ltk_' || substr(encode(sha256(uuid_send(gen_random_uuid())), 'hex'), 1, 12) || '_' || translate(
      rtrim(
        encode(
          sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'
        ),
        '='
      ),
      '+/', '-_'
    ) as body
  ) b
$$;

comment on function app_private.new_api_token() is 'A new key of 256 random bits, with its id and a checksum.';
--! EndIncluded keys/new_api_token.sql
--! Included keys/add_api_key.sql
-- Checks the arguments of a new key, stores its digest, and returns the key this one time. The callers run as the owner, and have
-- decided whose key it may be.
create or replace function app_private.add_api_key(
  tenant_id text,
  name text,
  role text,
  ttl interval,
  out id text,
  out token text,
  out expires_at timestamptz
)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if add_api_key.name is null or length(add_api_key.name) not between 1 and 100 then
    raise exception 'name must have 1 to 100 characters, not %', coalesce(length(add_api_key.name), 0)
      using errcode = 'LTU08', hint = 'Name the service that will use the key.';
  end if;
  if ttl < interval '1 second' or ttl > interval '100 years' then
    raise exception 'a key cannot live for %', ttl
      using errcode = 'LTU10', hint = 'ttl must be between one second and a hundred years.';
  end if;
  if (select count(*) from app_private.api_keys k where k.tenant_id is not distinct from add_api_key.tenant_id) >= 1000 then
    raise exception 'there are 1000 keys already'
      using errcode = 'LTU11', hint = 'Revoke those that nobody uses: last_used_at says which.';
  end if;
  token := app_private.new_api_token();
  id := substr(token, 5, 12);
  expires_at := now() + ttl;
  insert into app_private.api_keys (id, tenant_id, name, role, digest, created_by, expires_at)
  values (
    add_api_key.id, add_api_key.tenant_id, add_api_key.name, add_api_key.role, app_private.token_digest(token),
    coalesce(app_private.caller_subject(), session_user), add_api_key.expires_at
  );
end
$$;

comment on function app_private.add_api_key(text, text, text, interval) is 'Makes a key and returns it. LTU08 name, LTU10 ttl, LTU11 too many keys.';
--! EndIncluded keys/add_api_key.sql
--! Included keys/create_api_key.sql
-- Makes a key of the caller's tenant. Definer: nobody may write the table. Administrators alone may call it, and so it gives no
-- role above the caller's. A service may not, because a key outlives the token of the service that made it.
create or replace function app_public.create_api_key(
  name text,
  role text default 'service',
  ttl interval default '90 days',
  out id text,
  out token text,
  out expires_at timestamptz
)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if create_api_key.role is null or create_api_key.role not in ('member', 'service', 'admin') then
    raise exception 'a key cannot have the role %', coalesce(create_api_key.role, 'null')
      using errcode = 'LTU09', hint = 'Use member, service or admin.';
  end if;
  if ttl is null or ttl > interval '1 year' then
    raise exception 'a key cannot live for %', coalesce(ttl::text, 'ever')
      using errcode = 'LTU10', hint = 'ttl must be between one second and a year.';
  end if;
  -- Without a tenant the key would be an operator's, whose role was refused above: the table's check refuses it.
  select k.* into id, token, expires_at
  from app_private.add_api_key(app_private.current_tenant_id(), create_api_key.name, create_api_key.role, create_api_key.ttl) k;
end
$$;

comment on function app_public.create_api_key(text, text, interval) is
  E'Makes a key for a service and returns it as `token`, which nobody can read again; the API takes it as a bearer token in place of a JWT. `name` is the subject of its requests, `role` their role: member, service or admin. `ttl` is how long it lives, a year at most. LTU08 name, LTU09 role, LTU10 ttl, LTU11 too many keys.';
grant execute on function app_public.create_api_key(text, text, interval) to :ADMIN;
--! EndIncluded keys/create_api_key.sql
--! Included keys/ops_create_api_key.sql
-- Makes a key of a tenant, or of the operator. Definer, as app_public.create_api_key.
create or replace function ops.create_api_key(
  tenant_id text,
  name text,
  role text,
  ttl interval,
  out id text,
  out token text,
  out expires_at timestamptz
)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if create_api_key.role is null or create_api_key.role not in ('member', 'service', 'admin', 'operator') then
    raise exception 'a key cannot have the role %', coalesce(create_api_key.role, 'null')
      using errcode = 'LTU09', hint = 'Use member, service, admin or operator.';
  end if;
  if (create_api_key.role = 'operator') <> (create_api_key.tenant_id is null) then
    raise exception 'a key of the role % % a tenant', create_api_key.role,
      case when create_api_key.tenant_id is null then 'needs' else 'cannot have' end
      using errcode = 'LTU12', hint = 'An operator belongs to no tenant, and everybody else to one.';
  end if;
  if create_api_key.tenant_id is not null
    and not exists (select from app_public.tenants t where t.id = create_api_key.tenant_id)
  then
    raise exception 'tenant % does not exist', create_api_key.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  select k.* into id, token, expires_at
  from app_private.add_api_key(create_api_key.tenant_id, create_api_key.name, create_api_key.role, create_api_key.ttl) k;
end
$$;

comment on function ops.create_api_key(text, text, text, interval) is 'Makes a key of a tenant, or of the operator when the tenant is null, and returns it; without ttl it never ends. LTT02 no such tenant, LTU08 name, LTU09 role, LTU10 ttl, LTU11 too many keys, LTU12 the role does not fit the tenant.';
-- No grant: only the owner calls it. An operator who could would be every tenant.
--! EndIncluded keys/ops_create_api_key.sql
--! Included keys/list_api_keys.sql
-- The keys of the caller's tenant. Definer: nobody may read the table, whose digests concern nobody.
create or replace function app_public.list_api_keys()
returns table (
  id text, name text, role text, created_by text, created_at timestamptz, expires_at timestamptz, last_used_at timestamptz
)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select k.id, k.name, k.role, k.created_by, k.created_at, k.expires_at, k.last_used_at
  from app_private.api_keys k
  where k.tenant_id = app_private.current_tenant_id()
  order by k.created_at, k.id
$$;

comment on function app_public.list_api_keys() is
  E'The keys of the tenant, without the keys themselves; `last_used_at` is exact to the minute.';
grant execute on function app_public.list_api_keys() to :ADMIN;
--! EndIncluded keys/list_api_keys.sql
--! Included keys/revoke_api_key.sql
-- Ends a key of the caller's tenant. Definer, as app_public.list_api_keys.
create or replace function app_public.revoke_api_key(id text) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  with revoked as (
    delete from app_private.api_keys k
    where k.id = revoke_api_key.id and k.tenant_id = app_private.current_tenant_id()
    returning 1
  )
  select count(*) > 0 from revoked
$$;

comment on function app_public.revoke_api_key(text) is
  E'Ends a key; false when the tenant has no such key. It opens nothing from then on, at the API within two seconds.';
grant execute on function app_public.revoke_api_key(text) to :ADMIN;
--! EndIncluded keys/revoke_api_key.sql
--! Included keys/ops_revoke_api_key.sql
-- Ends a key of any tenant, or of the operator. Definer, as ops.create_api_key.
create or replace function ops.revoke_api_key(id text) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  with revoked as (delete from app_private.api_keys k where k.id = revoke_api_key.id returning 1)
  select count(*) > 0 from revoked
$$;

comment on function ops.revoke_api_key(text) is 'Ends a key; false when there is none of this id.';
-- No grant: only the owner calls it. An operator who could would stop the services of every tenant.
--! EndIncluded keys/ops_revoke_api_key.sql
--! Included keys/key_claims.sql
-- The names, roles and tenants that these keys stand for, each given by its id and its digest. The API asks as an anonymous
-- request, because it knows nothing about the request yet. So it is a definer; everything that it reveals goes to a caller who has
-- the key. It compares digests of 256 random bits, so the time that it takes reveals nothing about a key.
create or replace function ops.key_claims(ids text[], digests text[])
returns table (id text, tenant_id text, name text, role text, expires_at timestamptz)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select k.id, k.tenant_id, k.name, k.role, k.expires_at
  from unnest(ids, digests) a(id, digest)
  join app_private.api_keys k on k.id = a.id and k.digest = a.digest
  left join app_public.tenants t on t.id = k.tenant_id
  where (k.expires_at is null or k.expires_at > now()) and t.suspended_at is null
$$;

comment on function ops.key_claims(text[], text[]) is 'The names and roles that these keys stand for, in any tenant; no row for one that is unknown, over, or of a suspended tenant.';
grant execute on function ops.key_claims(text[], text[]) to :ANON;
--! EndIncluded keys/key_claims.sql
--! Included keys/live_keys.sql
-- Which of these keys still open the API. Each process of the API asks for the keys whose streams it serves, all in one anonymous
-- request, and ends the streams of the others. Definer, as ops.key_claims: it reveals only that a key lives, to callers who know
-- its id.
create or replace function ops.live_keys(ids text[]) returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select k.id
  from app_private.api_keys k
  left join app_public.tenants t on t.id = k.tenant_id
  where k.id = any (live_keys.ids) and (k.expires_at is null or k.expires_at > now()) and t.suspended_at is null
$$;

comment on function ops.live_keys(text[]) is 'Which of these keys are live: neither over nor revoked, and their tenant not suspended.';
grant execute on function ops.live_keys(text[]) to :ANON;
--! EndIncluded keys/live_keys.sql
--! Included keys/note_key_use.sql
-- Notes that keys were used. A key is written at most once a minute, however many processes serve it, and one that another process
-- is writing is passed over. Definer, as ops.key_claims.
create or replace function ops.note_key_use(ids text[]) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  update app_private.api_keys k
  set last_used_at = now()
  from (
    select d.id
    from app_private.api_keys d
    where d.id = any (note_key_use.ids) and (d.last_used_at is null or d.last_used_at < now() - interval '1 minute')
    order by d.id
    for no key update skip locked
  ) due
  where k.id = due.id
$$;

comment on function ops.note_key_use(text[]) is 'Notes that these keys were used; writes each at most once a minute.';
grant execute on function ops.note_key_use(text[]) to :ANON;
--! EndIncluded keys/note_key_use.sql
--! Included jobs/quarantined_items.sql
comment on table ops.quarantined_items is 'Items of single tenants that jobs set aside, to go on with the other items. Each is tried again with growing pauses, and forgotten once it no longer fails.';
comment on column ops.quarantined_items.task is 'The task that it failed in; reap_leases is the search for expired leases, every five seconds.';
comment on column ops.quarantined_items.tenant_id is 'The tenant whose item it is.';
comment on column ops.quarantined_items.item is 'Its name in the task''s terms: a bucket of a rollup, the id of a task, a workflow or knowledge, a policy of retention.';
comment on column ops.quarantined_items.code is 'The SQLSTATE of its last error, or another word for its kind.';
comment on column ops.quarantined_items.reason is 'The message of its last error, 1,000 characters at most.';
comment on column ops.quarantined_items.failures is 'How often it failed.';
comment on column ops.quarantined_items.first_failed_at is 'When it failed first.';
comment on column ops.quarantined_items.last_failed_at is 'When it failed last.';
comment on column ops.quarantined_items.retry_at is 'When it is tried again.';

alter table ops.quarantined_items enable row level security, force row level security;

-- Across tenants

-- ops.quarantine_item and ops.release_items, which jobs call, keep it as the owner; operators and the check of alerts
-- read the items of all tenants.
drop policy if exists manage_owner on ops.quarantined_items;
create policy manage_owner on ops.quarantined_items for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.quarantined_items;
create policy select_operator on ops.quarantined_items for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.quarantined_items;
create policy select_worker on ops.quarantined_items for select to :WORKER
  using (true);

revoke all on ops.quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.quarantined_items to :WORKER;
-- Not the reason: the database's message repeats the value that it refused, which is the tenant's.
grant select (task, tenant_id, item, code, failures, first_failed_at, last_failed_at, retry_at) on ops.quarantined_items to :OPERATOR;
-- No insert, update or delete for anybody: ops.quarantine_item and ops.release_items keep it.
--! EndIncluded jobs/quarantined_items.sql
--! Included jobs/check_quarantined_items.sql
-- Items that a job has set aside, a row for each job and tenant. The job goes on with the items of the other tenants. The message
-- leaves out the reason, because alerts go to operators and webhooks, and it repeats the value that was refused.
create or replace view ops.check_quarantined_items with (security_barrier) as
select
  format('%s of tenant %s', q.task, q.tenant_id) as subject,
  'error'::text as severity,
  format(
    '%s has set aside %s of tenant %s since %s: %s failed with %s', q.task,
    case when count(*) = 1 then 'an item' else count(*) || ' items' end, q.tenant_id,
    to_char(min(q.first_failed_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    (array_agg(q.item order by q.last_failed_at desc))[1], (array_agg(q.code order by q.last_failed_at desc))[1]
  ) as message,
  jsonb_build_object(
    'task', q.task, 'tenant', q.tenant_id, 'count', count(*), 'items',
    to_jsonb((array_agg(q.item order by q.last_failed_at desc))[1:20])
  ) as details
from ops.quarantined_items q
group by q.task, q.tenant_id;

comment on view ops.check_quarantined_items is 'A check of ops.check_alerts. Items that jobs have set aside, by task and tenant.';
comment on column ops.check_quarantined_items.subject is 'What it is about.';
comment on column ops.check_quarantined_items.severity is 'warning or error.';
comment on column ops.check_quarantined_items.message is 'What is wrong, in a sentence.';
comment on column ops.check_quarantined_items.details is 'The same as JSON, for programs.';

revoke all on ops.check_quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_quarantined_items to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_quarantined_items.sql

-- Alerts of items that were set aside repeated the value that was refused. Open ones are written anew within a minute.
update ops.alerts set message = subject || ': some items were set aside' where kind = 'quarantined_items';
