comment on table legacy.users is 'Users as the legacy system keeps them. They are nothing to this database: nobody signs in with them here.';
comment on column legacy.users.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.users.id is 'The id of the user.';
comment on column legacy.users.username is 'The name to sign in with.';
comment on column legacy.users.email is 'The address.';
comment on column legacy.users.password_hash is 'A digest that the services made.';
comment on column legacy.users.role is 'A word of the services.';
comment on column legacy.users.is_active is 'Whether the services let the user in.';
comment on column legacy.users.created_at is 'When the user was made.';
comment on column legacy.users.updated_at is 'When the row last changed; set by a trigger.';
comment on column legacy.users.email_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.users.password_hash_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.users enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.users;
create policy select_service on legacy.users for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.users;
create policy insert_service on legacy.users for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.users;
create policy update_service on legacy.users for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.users;
create policy delete_service on legacy.users for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.users from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.users to :SERVICE;
grant insert (tenant_id, id, username, email, password_hash, role, is_active, created_at, updated_at, email_encrypted,
  password_hash_encrypted) on legacy.users to :SERVICE;
grant update (username, email, password_hash, role, is_active, updated_at, email_encrypted,
  password_hash_encrypted) on legacy.users to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _100_timestamps
  before update on legacy.users
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on legacy.users
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.users');

select audit.enable_tracking('legacy.users', digested => '{password_hash}');
