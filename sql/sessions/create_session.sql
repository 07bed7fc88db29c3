-- Opens a session and returns its token, this one time: only its digest is stored. The 32 bytes come from three random UUIDs,
-- each 122 bits of the system's generator, folded by SHA-256.
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
  E'@name openSession\nOpens a session of a user and returns its `token`, which nobody can read again; the API takes it as a bearer token in place of a JWT. `ttl` is how long it lives; with `sliding`, each use prolongs it by as much, up to `max_age` after it was opened. `role` is the role of its requests: member, service, or admin (only for administrators). `data` is the service''s own. LTU01 user_id, LTU02 ttl or max_age, LTU03 role, LTU04 only an administrator opens an administrator''s session, LTU05 data.';
grant execute on function app_public.create_session(text, jsonb, interval, text, boolean, interval) to :SERVICE, :ADMIN;
