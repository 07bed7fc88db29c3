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
