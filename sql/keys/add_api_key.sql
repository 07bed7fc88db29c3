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
