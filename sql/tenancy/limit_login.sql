-- Sets what a login may use at most; what is null stays. Definer: nobody may write the bindings.
create or replace function ops.limit_login(
  login name,
  connections integer,
  statement_seconds integer,
  transaction_seconds integer,
  idle_in_transaction_seconds integer,
  idle_seconds integer
) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  with changed as (
    update app_private.tenant_logins l
    set
      connections = coalesce(limit_login.connections, l.connections),
      statement_seconds = coalesce(limit_login.statement_seconds, l.statement_seconds),
      transaction_seconds = coalesce(limit_login.transaction_seconds, l.transaction_seconds),
      idle_in_transaction_seconds = coalesce(limit_login.idle_in_transaction_seconds, l.idle_in_transaction_seconds),
      idle_seconds = coalesce(limit_login.idle_seconds, l.idle_seconds)
    where l.login = limit_login.login
    returning 1
  )
  select exists (select from changed);
end;

comment on function ops.limit_login(name, integer, integer, integer, integer, integer) is 'Sets what a login may use at most; what is null stays. False when it is not bound.';
-- No grant: only the owner calls it, with `lightning login`.
