-- The session that a token opens, in any tenant. No row when the token is unknown, the session is over or its tenant is locked
-- out; the caller does not learn which. Every text takes the same work: one digest and one look-up. It compares digests, so the
-- time taken reveals nothing about the token.
--
-- Use prolongs a sliding session when that is worth a write: once a tenth of its time has passed, and not while writes are stopped.
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
  -- create_session accepts at most a year. A row that a service inserts may have an interval that overflows any timestamp.
  if v_session.sliding_ttl > interval '1 year' then
    v_session.sliding_ttl := interval '1 year';
  end if;
  -- Null, and so false, for a session that does not slide. least() alone would ignore the null.
  if v_session.expires_at < now() + v_session.sliding_ttl * 0.9 and v_session.expires_at < coalesce(v_session.ends_at, 'infinity')
    and not app_private.writes_stopped() then
    update app_public.sessions s
    set expires_at = least(now() + v_session.sliding_ttl, s.ends_at)
    where s.tenant_id = v_session.tenant_id and s.id = v_session.id
    returning s.* into v_session;
    -- It has just ended.
    if not found then
      return;
    end if;
  end if;
  return next v_session;
end
$$;

comment on function app_private.use_session(text) is 'The live session that a token opens, in any tenant, prolonged if it slides; no row if there is none.';
