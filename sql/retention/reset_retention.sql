-- Removes a tenant's own retention.
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

comment on function ops.reset_retention(text, text) is 'Removes a tenant''s own retention, so that its rows are kept as long as everybody''s. False when it had none.';
grant execute on function ops.reset_retention(text, text) to :OPERATOR;
