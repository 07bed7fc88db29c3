-- How long a tenant's rows are kept under a policy: as it chose, otherwise as everybody's.
create or replace function ops.retention_of(policy text, tenant_id text) returns interval
language sql stable
begin atomic
  select case when o.policy is null then p.keep else o.keep end
  from ops.retention_policies p
  left join ops.retention_overrides o on o.policy = p.policy and o.tenant_id = retention_of.tenant_id
  where p.policy = retention_of.policy;
end;

comment on function ops.retention_of(text, text) is 'How long a tenant''s rows are kept under a policy; null: for ever.';
grant execute on function ops.retention_of(text, text) to :OPERATOR, :WORKER;
