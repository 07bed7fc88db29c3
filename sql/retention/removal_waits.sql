-- Whom the removal of a partition waits for, for whoever would rather look than call.
create or replace view ops.removal_waits with (security_barrier) as
select w.partition, w.waiting_since, w.pid, w.login, w.application, w.transaction_since, w.query_since
from ops.partition_waits() w;

revoke all on ops.removal_waits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.removal_waits to :OPERATOR, :WORKER;
