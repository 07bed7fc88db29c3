-- Up to when the audit log is sealed. Definer: audit.sealing is the sealer's own.
create or replace function ops.sealed_through() returns timestamptz
language sql stable security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select g.sealed_through from audit.sealing g;
end;

comment on function ops.sealed_through() is 'The moment up to which everything that was written is sealed.';
-- The view ops.check_sealing.
grant execute on function ops.sealed_through() to :OPERATOR, :WORKER;
