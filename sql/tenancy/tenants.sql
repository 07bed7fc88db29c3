comment on table app_public.tenants is 'A tenant: one customer or team, whose data nobody else sees.';
comment on column app_public.tenants.id is 'A short name in lower case, e.g. `default`. Never changes.';
comment on column app_public.tenants.name is 'The name to show.';
comment on column app_public.tenants.suspended_at is 'When the tenant was suspended; null: it is not suspended.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; set by a trigger.';

alter table app_public.tenants enable row level security, force row level security;

-- Everybody of a tenant reads its own row.
drop policy if exists select_own on app_public.tenants;
create policy select_own on app_public.tenants for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants, login_tenant_id, and the functions of sessions and
-- retention that ask which tenants there are, as the owner.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

revoke all on app_public.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.tenants to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- No other grant: tenants are made and suspended by ops functions.

create or replace trigger _100_timestamps
  before update on app_public.tenants
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of id on app_public.tenants
  for each row
  when (old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

-- The API's processes keep the few suspended tenants in memory; this tells them to look again.
create or replace trigger _500_notify
  after update of suspended_at on app_public.tenants
  for each statement
  execute function app_private.tg_tenants__notify();

select audit.enable_tracking('app_public.tenants');
