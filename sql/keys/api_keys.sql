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

revoke all on app_private.api_keys from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody, so that nobody reads a digest: administrators make, list and revoke their tenant's keys by functions.

-- An update of the last use alone leaves no row: it would be one a minute for each key.
select audit.enable_tracking('app_private.api_keys', digested => '{digest}', omitted => '{last_used_at}');
