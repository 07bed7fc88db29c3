-- Writes the keys of a statement's changes into the outbox, and wakes up the listeners on `lightning:<table>`. The payload is
-- empty because any login may listen. Definer: nobody may write the outbox.
--
-- A transaction that notifies holds a lock of the whole database until it is on disk. If all notified, they would commit one
-- after the other: a sixth of the inserts per second (test/bench/notify.ts). So only one notifies at a time, and a transaction
-- that finds the advisory lock taken does not. It is still running then, so a reader that the other one woke sees in its
-- snapshot that it has more to wait for, and looks again. Holding the lock for longer can delay events but never lose them:
-- readers look every second by themselves. For the same reason nobody notifies while the queue of notifications fills up, which
-- any login can do to it: a notification that finds it full fails its transaction.
create or replace function app_private.tg__publish() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into app_private.events (tenant_id, topic, operation, keys)
  select c.tenant_id, TG_TABLE_NAME, lower(TG_OP), case when count(*) <= 1000 then array_agg(c.id::text) end
  from changed_rows c
  group by c.tenant_id;
  -- The first key is "live" in ASCII.
  if found and pg_try_advisory_xact_lock(1818850917, (TG_RELID::bigint % 2147483647)::integer)
    and pg_notification_queue_usage() < 0.1
  then
    perform pg_notify('lightning:' || TG_TABLE_NAME, '');
  end if;
  return null;
end
$$;

comment on function app_private.tg__publish() is 'Trigger: writes the keys of changed rows into app_private.events, and wakes up the listeners on lightning:<table>, without payload.';
