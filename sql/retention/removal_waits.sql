-- Whom the removal of a partition waits for, for whoever would rather look than call.
create or replace view ops.removal_waits with (security_barrier) as
select w.partition, w.waiting_since, w.pid, w.login, w.application, w.transaction_since, w.query_since
from ops.partition_waits() w;

comment on view ops.removal_waits is 'Whom the removal of a partition waits for, longest first.';
comment on column ops.removal_waits.partition is 'The partition that is to go.';
comment on column ops.removal_waits.waiting_since is 'Since when.';
comment on column ops.removal_waits.pid is 'The session that is waited for.';
comment on column ops.removal_waits.login is 'Its login.';
comment on column ops.removal_waits.application is 'What it calls itself.';
comment on column ops.removal_waits.transaction_since is 'Since when its transaction is open.';
comment on column ops.removal_waits.query_since is 'Since when its statement runs.';

revoke all on ops.removal_waits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.removal_waits to :OPERATOR, :WORKER;
