-- The newest drill and the newest that passed stay: ops.recovery answers by them.
create or replace function ops.expired_drills(older_than timestamptz) returns setof bigint
language sql stable
begin atomic
  select d.id
  from ops.drills d
  where d.finished_at < expired_drills.older_than
    and d.id < (select max(n.id) from ops.drills n)
    and d.id is distinct from (select max(p.id) from ops.drills p where p.passed);
end;

comment on function ops.expired_drills(timestamptz) is 'Drills that the policy drills does not keep.';
grant execute on function ops.expired_drills(timestamptz) to :WORKER;
