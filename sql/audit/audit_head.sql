-- The newest link of the chain, in the form of an anchor: what leaves the database. Definer: the chain is read by nobody but
-- operators, and a head says nothing of a tenant.
create or replace function ops.audit_head() returns table (number bigint, hash text, at timestamptz, rows bigint)
language sql stable security definer
set search_path to pg_catalog, pg_temp
rows 1
begin atomic
  select s.number, encode(s.hash, 'hex'), s.sealed_at, s.total_rows
  from audit.seals s
  order by s.number desc
  limit 1;
end;

comment on function ops.audit_head() is 'The head of the chain that seals the audit log: number, hash, when, and how many rows are sealed.';
grant execute on function ops.audit_head() to :OPERATOR, :WORKER;
