alter table app_public.tenants enable row level security, force row level security;

-- Everybody of a tenant reads its own row.
drop policy if exists select_own on app_public.tenants;
create policy select_own on app_public.tenants for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (id = (select app_private.current_tenant_id()));

revoke all on app_public.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.tenants to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- No other grant: tenants are made and suspended by ops functions.
