-- The sessions that the removal of a partition waits for, as a view for those who would rather not call a function.
create or replace view ops.removal_waits with (security_barrier) as
select w.partition, w.waiting_since, w.pid, w.login, w.application, w.transaction_since, w.query_since
from ops.partition_waits() w;

comment on view ops.removal_waits is 'The sessions that the removal of a partition waits for, longest first.';
comment on column ops.removal_waits.partition is 'The partition that is to be removed.';
comment on column ops.removal_waits.waiting_since is 'When the removal began.';
comment on column ops.removal_waits.pid is 'The process of the session that it waits for.';
comment on column ops.removal_waits.login is 'The login of that session.';
comment on column ops.removal_waits.application is 'The application_name of that session.';
comment on column ops.removal_waits.transaction_since is 'When its transaction began.';
comment on column ops.removal_waits.query_since is 'When its statement began.';

revoke all on ops.removal_waits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.removal_waits to :OPERATOR, :WORKER;
