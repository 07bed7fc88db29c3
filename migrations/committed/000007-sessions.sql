--! Previous: sha1:c7fe285c5bec0bd12dbd56754e3a21946233296d
--! Hash: sha1:b84ae47525f708c180db212cd6f73f84f4b4035a
--! Message: sessions

-- Sessions whose tokens open the API: which role they give, and whether use prolongs them.
alter table app_public.sessions
  add column role varchar(20) not null default 'member',
  add column sliding_ttl interval,
  add column ends_at timestamptz,
  -- Made with the table's lock, which lets nobody write meanwhile, and one look at each row.
  add constraint sessions_role_check check (role in ('member', 'service', 'admin')),
  add constraint sessions_sliding_ttl_check check (sliding_ttl > interval '0'),
  add constraint sessions_user_id_check check (user_id <> '');
-- A user's sessions: their own list, and to end them all.
create index sessions_user_id_idx on app_public.sessions (tenant_id, user_id);

--! Included app_private/functions/tg_sessions__guard_role.sql
-- A session's token opens the API, so whoever opens a session hands out its role: an administrator's is an administrator's
-- to give. A service could otherwise make itself one.
create or replace function app_private.tg_sessions__guard_role() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if current_user <> ':ADMIN' then
    raise exception 'only an administrator opens a session of an administrator'
      using errcode = 'LTU04', hint = 'Ask with an administrator''s token, or for another role.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_sessions__guard_role() is 'Trigger: refuses a session of an administrator, with LTU04, to anybody but an administrator.';
--! EndIncluded app_private/functions/tg_sessions__guard_role.sql
--! Included app_private/functions/token_digest.sql
-- What is stored of a token. SHA-256 without a salt is enough: a token is 32 random bytes, so there is nothing to guess.
create or replace function app_private.token_digest(token text) returns text
language sql immutable strict parallel safe
return pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(token, 'UTF8')), 'hex');

comment on function app_private.token_digest(text) is 'SHA-256 of a token, 64 hexadecimal digits: what sessions store of it.';
grant execute on function app_private.token_digest(text) to :SERVICE, :ADMIN;
--! EndIncluded app_private/functions/token_digest.sql
--! Included app_private/functions/use_session.sql
-- The session that a token opens, wherever it is; nothing when it is unknown, over, or its tenant is locked out, and no
-- word about which. The same work is done for any text: one digest, one look-up by it. What is compared is the digest, so
-- that time tells nothing of the token.
--
-- Use prolongs a session that slides, when that is worth a write: once a tenth of its time has passed.
create or replace function app_private.use_session(token text) returns setof app_public.sessions
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_session app_public.sessions;
begin
  select s.* into v_session
  from app_public.sessions s
  join app_public.tenants t on t.id = s.tenant_id
  where s.token = app_private.token_digest(use_session.token)
    and s.expires_at > now()
    and t.suspended_at is null;

  if not found then
    return;
  end if;
  if v_session.expires_at < least(now() + v_session.sliding_ttl * 0.9, v_session.ends_at) then
    update app_public.sessions s
    set expires_at = least(now() + s.sliding_ttl, s.ends_at)
    where s.tenant_id = v_session.tenant_id and s.id = v_session.id
    returning s.* into v_session;
    -- Ended in this moment.
    if not found then
      return;
    end if;
  end if;
  return next v_session;
end
$$;

comment on function app_private.use_session(text) is 'The live session that a token opens, in whichever tenant, prolonged if it slides; no row otherwise.';
--! EndIncluded app_private/functions/use_session.sql
--! Included app_private/functions/caller_subject.sql
-- Whom the API verified; null for a login of its own, whose settings prove nothing.
create or replace function app_private.caller_subject() returns text
language sql stable parallel safe
return case
  when pg_catalog.pg_has_role(session_user, ':ANON', 'member')
    then nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
end;

comment on function app_private.caller_subject() is 'The verified subject of the request: a user''s or service''s name. Null for a login of its own.';
--! EndIncluded app_private/functions/caller_subject.sql
--! Included app_private/functions/check_session.sql
-- What is asked of a new session. True, or an error: it stands in the `where` of what opens it.
create or replace function app_private.check_session(
  user_id text,
  data jsonb,
  ttl interval,
  role text,
  sliding boolean,
  max_age interval
) returns boolean
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  if user_id is null or length(user_id) not between 1 and 100 then
    raise exception 'the user''s id has % characters, not 1 to 100', coalesce(length(user_id), 0)
      using errcode = 'LTU01', hint = 'Name the user whose session it is.';
  end if;
  if ttl is null or ttl < interval '1 second' or ttl > interval '1 year'
    or sliding is null or (sliding and (max_age is null or max_age < interval '1 second' or max_age > interval '1 year'))
  then
    raise exception 'a session cannot live for % (sliding: %, at most %)',
      coalesce(ttl::text, 'null'), coalesce(sliding::text, 'null'), coalesce(max_age::text, 'null')
      using errcode = 'LTU02', hint = 'One second to one year.';
  end if;
  if role is null or role not in ('member', 'service', 'admin') then
    raise exception 'there is no role % for a session', coalesce(role, 'null')
      using errcode = 'LTU03', hint = 'Use member, service or admin.';
  end if;
  if data is null or jsonb_typeof(data) <> 'object' then
    raise exception 'the data of a session is not an object, but %', coalesce(jsonb_typeof(data), 'null')
      using errcode = 'LTU05', hint = 'Leave it out, or pass an object.';
  end if;
  return true;
end
$$;

comment on function app_private.check_session(text, jsonb, interval, text, boolean, interval) is 'Whether a session can be opened so: true, or LTU01, LTU02, LTU03, LTU05.';
grant execute on function app_private.check_session(text, jsonb, interval, text, boolean, interval) to :SERVICE, :ADMIN;
--! EndIncluded app_private/functions/check_session.sql
--! Included app_public/triggers/sessions.sql
create or replace trigger _200_keys
  before update of tenant_id, id on app_public.sessions
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_role
  before insert or update of role on app_public.sessions
  for each row
  when (new.role = 'admin')
  execute function app_private.tg_sessions__guard_role();
--! EndIncluded app_public/triggers/sessions.sql
--! Included app_public/views/user_sessions.sql
-- What may be seen of sessions: no token and no data. Runs with the owner's rights, so that nobody needs any on the table
-- for it, and the owner's policy lets session look-ups see all tenants: it is the view that confines to the caller's, and a
-- barrier keeps a caller's functions from seeing rows before that.
create or replace view app_public.user_sessions with (security_barrier) as
select s.tenant_id, s.id, s.user_id, s.expires_at, s.created_at, s.role
from app_public.sessions s
where s.tenant_id = (select app_private.current_tenant_id());
--! EndIncluded app_public/views/user_sessions.sql
--! Included app_public/policies/sessions.sql
alter table app_public.sessions enable row level security, force row level security;

-- Services keep the sessions of their tenant's users; administrators look after them.
drop policy if exists select_tenant on app_public.sessions;
create policy select_tenant on app_public.sessions for select to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Services open sessions, and administrators: create_session knows the token for a moment, the digest is stored. The role of
-- an administrator is theirs alone to give (trigger _200_role).
drop policy if exists insert_service on app_public.sessions;
create policy insert_service on app_public.sessions for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They prolong them and keep data in them.
drop policy if exists update_service on app_public.sessions;
create policy update_service on app_public.sessions for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services end sessions, and administrators throw somebody out.
drop policy if exists delete_tenant on app_public.sessions;
create policy delete_tenant on app_public.sessions for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The view user_sessions and the functions that find a session by its token run as the owner, whose policies are in
-- cross_tenant_policies.sql: they confine themselves.
drop policy if exists select_view on app_public.sessions;

-- Everybody ends their own sessions: revoke_own_session, which compares the user.
drop policy if exists delete_owner on app_public.sessions;
create policy delete_owner on app_public.sessions for delete to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Never the token, not even its digest: who can read it can look for it.
grant select (tenant_id, id, user_id, data, expires_at, created_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
grant insert (tenant_id, id, user_id, token, data, expires_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
-- Not role: a session keeps what it was opened with.
grant update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete on app_public.sessions to :SERVICE, :ADMIN;

revoke all on app_public.user_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.user_sessions to :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_public/policies/sessions.sql
--! Included cross_tenant_policies.sql
-- Every policy that reaches across tenants, all in this one file. Row-level security is forced, so the owner of the
-- tables sees nothing either: each function or job that needs more has a policy here, for exactly the table and command
-- that it needs. test/db/conventions.test.ts compares this file with the catalog.

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

-- ops.bind_login, ops.unbind_login, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

-- ops.session_claims and validate_session find a session by its token, before its tenant is known, and prolong it;
-- own_sessions compares tenant and user itself, the view user_sessions the tenant.
drop policy if exists select_owner on app_public.sessions;
create policy select_owner on app_public.sessions for select to :OWNER
  using (true);

drop policy if exists update_owner on app_public.sessions;
create policy update_owner on app_public.sessions for update to :OWNER
  using (true)
  with check (true);

-- The audit triggers.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

-- The search functions, which compare the tenant themselves; below any other policy `@@` and `@>` use no index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: what has no embedding, of all tenants.
drop policy if exists select_worker on app_public.knowledge;
create policy select_worker on app_public.knowledge for select to :WORKER
  using (true);

drop policy if exists update_worker on app_public.knowledge;
create policy update_worker on app_public.knowledge for update to :WORKER
  using (true)
  with check (true);

-- ops.roll_up_metrics and ops.merge_metrics: rollups are made for all tenants at once.
drop policy if exists select_worker on app_public.metrics;
create policy select_worker on app_public.metrics for select to :WORKER
  using (true);

drop policy if exists manage_worker on app_public.metrics_minute;
create policy manage_worker on app_public.metrics_minute for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_hour;
create policy manage_worker on app_public.metrics_hour for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_day;
create policy manage_worker on app_public.metrics_day for all to :WORKER
  using (true)
  with check (true);

-- ops.reap_expired_leases, as the worker.
drop policy if exists select_worker on app_public.tasks;
create policy select_worker on app_public.tasks for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.tasks;
create policy update_worker on app_public.tasks for update to :WORKER
  using (true)
  with check (true);
drop policy if exists manage_worker on app_public.task_leases;
create policy manage_worker on app_public.task_leases for all to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on app_public.task_attempts;
create policy insert_worker on app_public.task_attempts for insert to :WORKER
  with check (true);
--! EndIncluded cross_tenant_policies.sql
--! Included app_public/functions/create_session.sql
-- Opens a session and gives back its token, this once: what is stored is its digest. 32 bytes from three random UUIDs, each
-- 122 bits of the system's generator, folded by SHA-256.
create or replace function app_public.create_session(
  user_id text,
  data jsonb default '{}',
  ttl interval default '12 hours',
  role text default 'member',
  sliding boolean default false,
  max_age interval default '30 days',
  out session_id uuid,
  out token text,
  out expires_at timestamptz
)
language sql volatile
begin atomic
  with secret as materialized (
    select 'lts_' || translate(
      rtrim(
        encode(
          sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'
        ),
        '='
      ),
      '+/', '-_'
    ) as token
  ),
  opened as (
    insert into app_public.sessions (user_id, token, data, expires_at, role, sliding_ttl, ends_at)
    select
      create_session.user_id, app_private.token_digest(s.token), create_session.data,
      now() + case when create_session.sliding then least(create_session.ttl, create_session.max_age) else create_session.ttl end,
      create_session.role,
      case when create_session.sliding then create_session.ttl end,
      case when create_session.sliding then now() + create_session.max_age end
    from secret s
    where app_private.check_session(
      create_session.user_id, create_session.data, create_session.ttl, create_session.role, create_session.sliding,
      create_session.max_age
    )
    returning id, expires_at
  )
  select o.id, s.token, o.expires_at
  from opened o
  cross join secret s;
end;

comment on function app_public.create_session(text, jsonb, interval, text, boolean, interval) is
  E'@name openSession\nOpens a session of a user and returns its `token`, which nobody can read again; the API takes it as a bearer token in place of a JWT. `ttl` is how long it lives; with `sliding`, use prolongs it by as much, up to `max_age` after it was opened. `role` is what its requests run as: member, service, or admin (only for administrators). `data` is the service''s own. LTU01 user_id, LTU02 ttl or max_age, LTU03 role, LTU04 a session of an administrator, LTU05 data.';
grant execute on function app_public.create_session(text, jsonb, interval, text, boolean, interval) to :SERVICE, :ADMIN;
--! EndIncluded app_public/functions/create_session.sql
--! Included app_public/functions/validate_session.sql
-- The session that a token opens, for services that look after their users themselves. Definer: nobody may look for a token.
-- Sessions of other tenants are as good as none.
create or replace function app_public.validate_session(token text)
returns table (session_id uuid, user_id text, role text, data jsonb, expires_at timestamptz)
language sql volatile security definer
set search_path to pg_catalog, pg_temp
rows 1
as $$
  select s.id, s.user_id, s.role, s.data, s.expires_at
  from app_private.use_session(validate_session.token) s
  where s.tenant_id = app_private.current_tenant_id()
$$;

comment on function app_public.validate_session(text) is
  E'The session that a token opens: one row, or none when there is no such session of this tenant, or it is over. Prolongs a session that slides.';
grant execute on function app_public.validate_session(text) to :SERVICE, :ADMIN;
--! EndIncluded app_public/functions/validate_session.sql
--! Included app_public/functions/touch_session.sql
-- Lets a session live on from now: as long as it slides, or as long as is said.
create or replace function app_public.touch_session(session_id uuid, ttl interval default null) returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_expires_at timestamptz;
begin
  if ttl < interval '1 second' or ttl > interval '1 year' then
    raise exception 'a session cannot be prolonged by %', ttl
      using errcode = 'LTU06', hint = 'One second to one year.';
  end if;
  update app_public.sessions s
  set expires_at = coalesce(
    least(now() + coalesce(touch_session.ttl, s.sliding_ttl), s.ends_at), s.expires_at
  )
  where s.id = touch_session.session_id and s.expires_at > now()
  returning s.expires_at into v_expires_at;
  if not found then
    raise exception 'there is no live session %', coalesce(session_id::text, 'null')
      using errcode = 'LTU07', hint = 'It was revoked, is over, or never was: open a new one.';
  end if;
  return v_expires_at;
end
$$;

comment on function app_public.touch_session(uuid, interval) is
  E'Prolongs a session from now by `ttl`, or, without one, as it slides (a session that does not slide stays as it is), and never beyond its `max_age`. Returns when it ends. LTU06 ttl, LTU07 no live session.';
grant execute on function app_public.touch_session(uuid, interval) to :SERVICE;
--! EndIncluded app_public/functions/touch_session.sql
--! Included app_public/functions/revoke_session.sql
-- Ends a session of the tenant. Row-level security confines what it finds.
create or replace function app_public.revoke_session(session_id uuid) returns boolean
language sql volatile
begin atomic
  with revoked as (
    delete from app_public.sessions s where s.id = revoke_session.session_id returning 1
  )
  select count(*) > 0 from revoked;
end;

comment on function app_public.revoke_session(uuid) is
  E'Ends a session; false when there is none. Its token opens nothing from then on, at the API within a second.';
grant execute on function app_public.revoke_session(uuid) to :SERVICE, :ADMIN;
--! EndIncluded app_public/functions/revoke_session.sql
--! Included app_public/functions/revoke_user_sessions.sql
-- Ends all sessions of a user of the tenant: on a changed password, a lost device, a leaver.
create or replace function app_public.revoke_user_sessions(user_id text) returns integer
language sql volatile
begin atomic
  with revoked as (
    delete from app_public.sessions s where s.user_id = revoke_user_sessions.user_id returning 1
  )
  select count(*)::integer from revoked;
end;

comment on function app_public.revoke_user_sessions(text) is
  E'Ends all sessions of a user; returns how many there were. Their tokens open nothing from then on, at the API within a second.';
grant execute on function app_public.revoke_user_sessions(text) to :SERVICE, :ADMIN;
--! EndIncluded app_public/functions/revoke_user_sessions.sql
--! Included app_public/functions/own_sessions.sql
-- The sessions of whoever asks. Definer: members have no right on sessions. The subject is the verified token's.
create or replace function app_public.own_sessions()
returns table (session_id uuid, role text, created_at timestamptz, expires_at timestamptz, is_current boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    s.id, s.role, s.created_at, s.expires_at,
    coalesce(
      s.id::text = nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'session_id', false
    )
  from app_public.sessions s
  where s.tenant_id = app_private.current_tenant_id()
    and s.user_id = app_private.caller_subject()
    and s.expires_at > now()
  order by s.created_at, s.id
$$;

comment on function app_public.own_sessions() is
  E'The live sessions of the caller (the subject of the token), without tokens and data; `is_current` marks the one that this request came with.';
grant execute on function app_public.own_sessions() to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded app_public/functions/own_sessions.sql
--! Included app_public/functions/revoke_own_session.sql
-- Ends a session of whoever asks. Definer, as own_sessions.
create or replace function app_public.revoke_own_session(session_id uuid) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  with revoked as (
    delete from app_public.sessions s
    where s.id = revoke_own_session.session_id
      and s.tenant_id = app_private.current_tenant_id()
      and s.user_id = app_private.caller_subject()
    returning 1
  )
  select count(*) > 0 from revoked
$$;

comment on function app_public.revoke_own_session(uuid) is
  E'Ends one of the caller''s own sessions, to log out here or elsewhere; false when there is none.';
grant execute on function app_public.revoke_own_session(uuid) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded app_public/functions/revoke_own_session.sql
--! Included ops/functions/session_claims.sql
-- Whom a session's token stands for. The API asks before it knows anything about the request, as an anonymous one: definer,
-- and all that it gives away goes to whoever has the token.
create or replace function ops.session_claims(token text)
returns table (tenant_id text, session_id uuid, user_id text, role text, expires_at timestamptz)
language sql volatile security definer
set search_path to pg_catalog, pg_temp
rows 1
as $$
  select s.tenant_id, s.id, s.user_id, s.role, s.expires_at
  from app_private.use_session(session_claims.token) s
$$;

comment on function ops.session_claims(text) is 'Whom a session''s token stands for, in whichever tenant: one row, or none when it opens nothing. Prolongs a session that slides.';
grant execute on function ops.session_claims(text) to :ANON;
--! EndIncluded ops/functions/session_claims.sql
--! Included app_public/comments.sql
comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and what is listed here follows the caller''s rights: without a token there is next to nothing.';

comment on table app_public.tenants is 'A tenant: one customer or team, whose data nobody else sees.';
comment on column app_public.tenants.id is 'A short name in lower case, e.g. `default`. Never changes.';
comment on column app_public.tenants.name is 'The name to show.';
comment on column app_public.tenants.suspended_at is 'Since when the tenant is locked out; null: it is not.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.agents is E'@unique id|@fieldName agent|@updateFieldName updateAgent|@deleteFieldName deleteAgent\nAn AI agent: who it is, which model it runs on and how it is set up.';
comment on column app_public.agents.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.agents.id is 'The agent''s id in its tenant, e.g. `full_stack_developer`.';
comment on column app_public.agents.name is 'The name to show.';
comment on column app_public.agents.model is 'The language model, e.g. `gpt-4o`.';
comment on column app_public.agents.specialization is 'What it is good at, in a word or two.';
comment on column app_public.agents.status is 'One of idle, busy, paused, offline, error.';
comment on column app_public.agents.config is 'Everything else about it: prompts, capabilities, limits.';
comment on column app_public.agents.created_at is 'When the agent was registered.';
comment on column app_public.agents.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'Which agent is to do it; null: whoever claims it, or the agent was removed.';
comment on column app_public.tasks.description is 'What is to be done.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'What came out; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When work began, at the latest attempt.';
comment on column app_public.tasks.completed_at is 'When it ended, well or badly.';
comment on column app_public.tasks.error_message is 'Why it failed, the latest time, or why it was cancelled.';
comment on column app_public.tasks.required_capabilities is 'Only who has all of them may claim it.';
comment on column app_public.tasks.run_after is 'It is not claimed before.';
comment on column app_public.tasks.queue_at is 'Its place in the queue: run_after, put forward by 3 hours for critical, 1 hour for high, 20 minutes for normal. Kept by a trigger.';
comment on column app_public.tasks.attempt is 'How often it was claimed: the number of the latest attempt.';
comment on column app_public.tasks.failures is 'How many attempts failed or expired since it was made or retried.';
comment on column app_public.tasks.max_attempts is 'As many failures make it dead.';
comment on column app_public.tasks.idempotency_key is 'Enqueued again under the same key it stays one task. Unique in the tenant.';

comment on table app_public.task_leases is E'@unique task_id|@fieldName taskLease\nWho works on a task at the moment, and until when. Written by the functions of tasks only.';
comment on column app_public.task_leases.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_leases.task_id is 'The task.';
comment on column app_public.task_leases.fencing_token is 'Grows with every claim; every write of the task needs the current one.';
comment on column app_public.task_leases.attempt is 'Which attempt at the task it is, from 1.';
comment on column app_public.task_leases.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_leases.lease is 'For how long each heartbeat extends it.';
comment on column app_public.task_leases.claimed_at is 'When it was claimed.';
comment on column app_public.task_leases.heartbeat_at is 'When something was heard last.';
comment on column app_public.task_leases.expires_at is 'When somebody else may have it.';
comment on column app_public.task_leases.progress is 'How far it is, from 0 to 1; null: nothing was said.';
comment on column app_public.task_leases.note is 'What its holder said last about it.';

comment on table app_public.task_attempts is 'What became of each time that a task was claimed. Written by the functions of tasks only.';
comment on column app_public.task_attempts.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_attempts.task_id is 'The task.';
comment on column app_public.task_attempts.attempt is 'Which attempt at the task it was, from 1.';
comment on column app_public.task_attempts.fencing_token is 'The token that it wrote with.';
comment on column app_public.task_attempts.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_attempts.claimed_at is 'When it was claimed.';
comment on column app_public.task_attempts.ended_at is 'When it ended.';
comment on column app_public.task_attempts.outcome is 'One of completed, failed, expired, released, cancelled.';
comment on column app_public.task_attempts.error is 'Why it failed, expired or was cancelled.';
comment on column app_public.task_attempts.progress is 'How far it came, from 0 to 1; null: nothing was said.';
comment on column app_public.task_attempts.note is 'What its holder said last about it.';

comment on type app_public.claimed_task is 'A task as a claim gives it: with what is needed to work on it and to report back.';
comment on column app_public.claimed_task.task_id is 'The task''s id.';
comment on column app_public.claimed_task.fencing_token is 'To be given back with every call about this attempt.';
comment on column app_public.claimed_task.attempt is 'Which attempt it is, from 1.';
comment on column app_public.claimed_task.max_attempts is 'As many failures make it dead.';
comment on column app_public.claimed_task.expires_at is 'When somebody else may have it, unless heartbeat_task extends it.';
comment on column app_public.claimed_task.agent_id is 'Which agent is to do it; null: any.';
comment on column app_public.claimed_task.priority is 'One of low, normal, high, critical.';
comment on column app_public.claimed_task.description is 'What is to be done.';
comment on column app_public.claimed_task.context is 'What the agent needs to know.';
comment on column app_public.claimed_task.required_capabilities is 'What it takes to do it.';
comment on column app_public.claimed_task.created_at is 'When the task was made.';

comment on table app_public.knowledge is E'@unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge\nAn item of knowledge that agents look up, with an embedding to find it by meaning.';
comment on column app_public.knowledge.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.knowledge.id is 'The item''s id; a random one where none is given.';
comment on column app_public.knowledge.agent_id is 'Whose knowledge it is; null: everybody''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed.';
comment on column app_public.knowledge.embedding_error is 'Why the content could not be embedded; null: it was, or it has not been tried. Content that changes is tried again.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on table app_public.workflows is E'@unique id|@fieldName workflow|@updateFieldName updateWorkflow|@deleteFieldName deleteWorkflow\nSeveral steps of work that belong together.';
comment on column app_public.workflows.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflows.id is 'The workflow''s id.';
comment on column app_public.workflows.name is 'The name to show.';
comment on column app_public.workflows.description is 'What it is for.';
comment on column app_public.workflows.steps is 'The steps, a JSON array.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'Whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written and never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';
comment on column app_public.sessions.role is 'What requests with its token run as: member, service or admin.';
comment on column app_public.sessions.sliding_ttl is 'For how long use prolongs it; null: use does not.';
comment on column app_public.sessions.ends_at is 'Until when use can prolong it.';

comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day, removed by retention.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'Who measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on table app_public.metrics_minute is 'What the points of a series amount to in a minute: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_minute.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_minute.service_name is 'Who measured.';
comment on column app_public.metrics_minute.metric_name is 'What was measured.';
comment on column app_public.metrics_minute.tags is 'The dimensions of the series.';
comment on column app_public.metrics_minute.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_minute.bucket is 'When it begins.';
comment on column app_public.metrics_minute.count is 'How many points.';
comment on column app_public.metrics_minute.sum is 'Their sum.';
comment on column app_public.metrics_minute.min is 'The smallest value.';
comment on column app_public.metrics_minute.max is 'The largest value.';
comment on column app_public.metrics_minute.last is 'The value that was measured last.';
comment on column app_public.metrics_minute.last_at is 'When that was.';
comment on column app_public.metrics_minute.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_minute.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on table app_public.metrics_hour is 'What the points of a series amount to in an hour: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_hour.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_hour.service_name is 'Who measured.';
comment on column app_public.metrics_hour.metric_name is 'What was measured.';
comment on column app_public.metrics_hour.tags is 'The dimensions of the series.';
comment on column app_public.metrics_hour.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_hour.bucket is 'When it begins.';
comment on column app_public.metrics_hour.count is 'How many points.';
comment on column app_public.metrics_hour.sum is 'Their sum.';
comment on column app_public.metrics_hour.min is 'The smallest value.';
comment on column app_public.metrics_hour.max is 'The largest value.';
comment on column app_public.metrics_hour.last is 'The value that was measured last.';
comment on column app_public.metrics_hour.last_at is 'When that was.';
comment on column app_public.metrics_hour.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_hour.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on table app_public.metrics_day is 'What the points of a series amount to in a day (of UTC): made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_day.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_day.service_name is 'Who measured.';
comment on column app_public.metrics_day.metric_name is 'What was measured.';
comment on column app_public.metrics_day.tags is 'The dimensions of the series.';
comment on column app_public.metrics_day.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_day.bucket is 'When it begins.';
comment on column app_public.metrics_day.count is 'How many points.';
comment on column app_public.metrics_day.sum is 'Their sum.';
comment on column app_public.metrics_day.min is 'The smallest value.';
comment on column app_public.metrics_day.max is 'The largest value.';
comment on column app_public.metrics_day.last is 'The value that was measured last.';
comment on column app_public.metrics_day.last_at is 'When that was.';
comment on column app_public.metrics_day.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_day.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'Whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';
comment on column app_public.user_sessions.role is 'What requests with its token run as.';

-- In GraphQL a caller has one tenant and never names it: rows are found by their own id, the keys that hold the tenant
-- and the way from and to the tenant's row are hidden.
comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint task_leases_pkey on app_public.task_leases is E'@behavior -single\nA task has one lease at a time.';
comment on constraint task_attempts_pkey on app_public.task_attempts is E'@behavior -single\nAn attempt is known by its task and number.';
comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nA row is known by its tenant, its time and its id.';
comment on constraint metrics_minute_pkey on app_public.metrics_minute is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_hour_pkey on app_public.metrics_hour is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_day_pkey on app_public.metrics_day is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint agents_tenant_id_fkey on app_public.agents is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint workflows_tenant_id_fkey on app_public.workflows is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_tenant_id_fkey on app_public.metrics is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_minute_tenant_id_fkey on app_public.metrics_minute is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_hour_tenant_id_fkey on app_public.metrics_hour is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_day_tenant_id_fkey on app_public.metrics_day is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, in whichever tenant. Nobody looks up by what they cannot read.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nWho does the task.';
comment on constraint task_leases_task_id_fkey on app_public.task_leases is E'@fieldName task\n@foreignSingleFieldName lease\nThe task that is worked on.';
comment on constraint task_attempts_task_id_fkey on app_public.task_attempts is E'@fieldName task\n@foreignFieldName attempts\nThe task that was tried.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nWhose knowledge it is.';

comment on type app_public.knowledge_match is 'An item of knowledge that a search found, and why.';
comment on column app_public.knowledge_match.id is 'The item''s id.';
comment on column app_public.knowledge_match.agent_id is 'Whose knowledge it is.';
comment on column app_public.knowledge_match.category is 'A word to group by.';
comment on column app_public.knowledge_match.content is 'The text itself.';
comment on column app_public.knowledge_match.source is 'Where it comes from.';
comment on column app_public.knowledge_match.metadata is 'Anything else about it.';
comment on column app_public.knowledge_match.usage_count is 'How often it was used.';
comment on column app_public.knowledge_match.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge_match.created_at is 'When it was added.';
comment on column app_public.knowledge_match.last_used_at is 'When it was last used.';
comment on column app_public.knowledge_match.score is 'Reciprocal rank fusion of the parts: 1, first in every part; results are in its order.';
comment on column app_public.knowledge_match.similarity is 'By meaning: cosine similarity, -1 to 1; null: that part did not find it.';
comment on column app_public.knowledge_match.vector_rank is 'By meaning: its place, from 1.';
comment on column app_public.knowledge_match.text_relevance is 'By words: how well and how densely they match, more is better; null: that part did not find it.';
comment on column app_public.knowledge_match.text_rank is 'By words: its place, from 1.';

comment on function app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector) is $$Adds an item of knowledge.

content: the text. id: a random one where none is given. agent_id, category, source, metadata: as in the table. embedding: 1536 dimensions; without one the worker makes it, where EMBEDDINGS_URL is set.

Gives the item.

Errors: LTS15 content is missing; LTS01 or LTS02 an embedding of another dimension or of zeros; 23505 there is one of this id; 23503 there is no such agent.$$;
comment on function app_public.add_knowledge_items(jsonb) is $$Adds many items of knowledge, all or none.

items: an array of 1 to 10000 objects with content and, where there is one, id, agent_id, category, source, metadata, embedding.

Gives the items.

Errors: LTS16 no array, or too long a one; LTS17 what is wrong with which item, counted from 0; 23505 there is one of an id; 23503 there is no such agent.$$;
--! EndIncluded app_public/comments.sql
