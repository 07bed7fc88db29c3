-- Stops the writes to one table. When it has committed, what was acknowledged before is stored, and nothing else will be.
--
-- The lock waits for transactions that have written to the table, and lets no other begin: for half a second at most (55P03, and the caller tries
-- again). It is the only lock that the transaction holds, so nobody can wait for it in a circle. While writes go on there is no check
-- in the way of a write: a trigger that is off costs nothing. It is a trigger for each statement, so that one which would change no row is refused as well.
create or replace function app_private.stop_writes_to(target regclass) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '500ms'
as $$
begin
  execute format(
    $trigger$
      create or replace trigger _000_stopped
        before insert or update or delete or truncate on %s
        for each statement
        execute function app_private.tg__refuse_write()
    $trigger$,
    target
  );
  -- Also for a session that switches triggers off for itself (session_replication_role).
  execute format('alter table %s enable always trigger _000_stopped', target);
end
$$;

comment on function app_private.stop_writes_to(regclass) is 'Stops the writes to one table. 55P03 when a writer keeps it for half a second.';
-- No grant: only the owner calls it, as the login of migrations does.
