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
  -- A year is the longest that create_session takes. A row that a service inserts may say what is beyond any time.
  if v_session.sliding_ttl > interval '1 year' then
    v_session.sliding_ttl := interval '1 year';
  end if;
  -- Null, and so not taken, for a session that does not slide; least() would pass over the null alone.
  if v_session.expires_at < now() + v_session.sliding_ttl * 0.9 and v_session.expires_at < coalesce(v_session.ends_at, 'infinity') then
    update app_public.sessions s
    set expires_at = least(now() + v_session.sliding_ttl, s.ends_at)
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
