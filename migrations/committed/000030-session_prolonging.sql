--! Previous: sha1:c6b093732308ef719cf52c01782d860cb03fccaf
--! Hash: sha1:495d06834debdd9d99e128d4c16654b5031bf45a
--! Message: session_prolonging

-- A session that does not slide is not prolonged by use.
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
--! EndIncluded app_private/functions/use_session.sql
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
    least(
      now() + coalesce(
        touch_session.ttl, case when s.sliding_ttl > interval '1 year' then interval '1 year' else s.sliding_ttl end
      ),
      s.ends_at
    ),
    s.expires_at
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
