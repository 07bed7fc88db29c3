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
