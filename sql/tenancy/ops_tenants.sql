-- Every tenant with its logins, for operators: names and dates, no content.
create or replace view ops.tenants with (security_barrier) as
select
  t.id,
  t.name,
  t.suspended_at,
  t.created_at,
  array(select l.login::text from app_private.tenant_logins l where l.tenant_id = t.id order by l.login) as logins
from app_public.tenants t;
