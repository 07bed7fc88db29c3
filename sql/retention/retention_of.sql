-- How long a policy keeps a tenant's rows: by the tenant's own setting, otherwise by that for all.
create or replace function ops.retention_of(policy text, tenant_id text) returns interval
language sql stable
begin atomic
  select case when o.policy is null then p.keep else o.keep end
  from ops.retention_policies p
  left join ops.retention_overrides o on o.policy = p.policy and o.tenant_id = retention_of.tenant_id
  where p.policy = retention_of.policy;
end;

comment on function ops.retention_of(text, text) is 'How long a policy keeps a tenant''s rows; null: forever.';
grant execute on function ops.retention_of(text, text) to :OPERATOR, :JOBS;
