-- WAL that no worker receives: the server keeps it until its disk fills, or gives up the slot, which leaves a gap.
create or replace view ops.check_wal_receivers with (security_barrier) as
select
  r.slot as subject,
  case when r.wal_status = 'lost' or r.kept_bytes > 4294967296 or r.safe_bytes < 1073741824 then 'error' else 'warning' end
    as severity,
  case
    when r.wal_status = 'lost' then
      format('the server gave up slot %s and WAL is missing: make a full backup (lightning backup --full)', r.slot)
    when r.seen_at < clock_timestamp() - interval '2 minutes' then format(
      'no worker has received WAL through slot %s since %s', r.slot,
      to_char(r.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    )
    else format('WAL through slot %s: %s MB wait on the server%s', r.slot, r.kept_bytes / 1000000, coalesce('; ' || r.problem, ''))
  end as message,
  jsonb_build_object('kept_bytes', r.kept_bytes, 'safe_bytes', r.safe_bytes, 'received_lsn', r.received_lsn) as details
from ops.wal_receivers r
where r.wal_status = 'lost' or r.seen_at < clock_timestamp() - interval '2 minutes' or r.problem is not null
  or r.kept_bytes > 1073741824 or r.safe_bytes < 1073741824;

comment on view ops.check_wal_receivers is 'A check of ops.check_alerts. WAL that no worker receives.';
comment on column ops.check_wal_receivers.subject is 'What it is about.';
comment on column ops.check_wal_receivers.severity is 'warning or error.';
comment on column ops.check_wal_receivers.message is 'What is wrong, in a sentence.';
comment on column ops.check_wal_receivers.details is 'The same as JSON, for programs.';

revoke all on ops.check_wal_receivers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_wal_receivers to :OPERATOR, :WORKER;
