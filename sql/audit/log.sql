alter table audit.log enable row level security, force row level security;

-- A tenant's administrators read its trail.
drop policy if exists select_tenant on audit.log;
create policy select_tenant on audit.log for select to :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- A truncate hits all tenants and belongs to none: operators see it.
drop policy if exists select_truncations on audit.log;
create policy select_truncations on audit.log for select to :OPERATOR
  using (operation = 'truncate');

revoke all on audit.log from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on audit.log to :ADMIN, :OPERATOR;
-- No insert, update or delete for anybody: the triggers write as the owner, who may insert and nothing else.
