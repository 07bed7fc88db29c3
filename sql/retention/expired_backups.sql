create or replace function ops.expired_backups(older_than timestamptz) returns setof text
language sql stable
begin atomic
  select b.id from ops.backups b where b.removed_at < expired_backups.older_than;
end;

comment on function ops.expired_backups(timestamptz) is 'Records of removed backups that the policy backups does not keep.';
grant execute on function ops.expired_backups(timestamptz) to :WORKER;
