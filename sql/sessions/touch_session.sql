-- Prolongs a session from now: by its own sliding time, or by `ttl`.
create or replace function app_public.touch_session(session_id uuid, ttl interval default null) returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_expires_at timestamptz;
begin
  if ttl < interval '1 second' or ttl > interval '1 year' then
    raise exception 'a session cannot be prolonged by a ttl of %', ttl
      using errcode = 'LTU06', hint = 'ttl must be between one second and one year.';
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
    raise exception 'session % does not exist or is over', coalesce(session_id::text, 'null')
      using errcode = 'LTU07', hint = 'It was revoked, has expired or never existed: open a new one.';
  end if;
  return v_expires_at;
end
$$;

comment on function app_public.touch_session(uuid, interval) is
  E'Prolongs a session from now by `ttl`, or without one by its sliding time (a session that does not slide stays as it is), and never beyond its `max_age`. Returns when it ends. LTU06 ttl, LTU07 no such session, or it is over.';
grant execute on function app_public.touch_session(uuid, interval) to :SERVICE;
