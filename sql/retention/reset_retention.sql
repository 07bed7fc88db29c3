-- Takes a tenant's own choice back.
create or replace function ops.reset_retention(policy text, tenant_id text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  delete from ops.retention_overrides o
  where o.policy = reset_retention.policy and o.tenant_id = reset_retention.tenant_id;
  return found;
end
$$;

comment on function ops.reset_retention(text, text) is 'Takes back how long a tenant''s rows are kept: as everybody''s again. False when it had no choice of its own.';
grant execute on function ops.reset_retention(text, text) to :OPERATOR;
