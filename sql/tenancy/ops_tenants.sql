-- Every tenant with its logins, for operators: names and dates, no content.
create or replace view ops.tenants with (security_barrier) as
select
  t.id,
  t.name,
  t.suspended_at,
  t.created_at,
  array(select l.login::text from app_private.tenant_logins l where l.tenant_id = t.id order by l.login) as logins
from app_public.tenants t;

comment on view ops.tenants is 'All tenants with their logins.';
comment on column ops.tenants.id is 'The tenant''s id.';
comment on column ops.tenants.name is 'The name to show.';
comment on column ops.tenants.suspended_at is 'When it was suspended; null: it is not suspended.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH, :JOBS;
grant select on ops.tenants to :OPERATOR;
