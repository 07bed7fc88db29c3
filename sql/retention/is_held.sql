-- Whether a tenant's data of a time has to stay whatever its age: an import that the operator has not released, or a dispute.
create or replace function ops.is_held(policy text, tenant_id text, at timestamptz) returns boolean
language sql stable
begin atomic
  select exists (
    select
    from ops.retention_holds h
    where h.policy = is_held.policy and (h.tenant_id is null or h.tenant_id = is_held.tenant_id) and h.held @> is_held.at
  );
end;

comment on function ops.is_held(text, text, timestamptz) is 'Whether ops.retention_holds keeps a tenant''s data of a time.';
grant execute on function ops.is_held(text, text, timestamptz) to :OPERATOR, :JOBS;
