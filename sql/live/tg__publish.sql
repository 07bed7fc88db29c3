-- Writes a statement's changes into the outbox, keys only, and wakes up who listens on `lightning:<table>`. The payload is
-- empty: any login may listen. Definer: nobody may write the outbox.
--
-- A transaction that notifies holds a lock of the whole database until it is on disk, so transactions that all notify
-- commit one after the other: a sixth of the inserts per second (test/bench/notify.ts). Hence one at a time: who finds the
-- advisory lock taken says nothing. Its transaction is running then, so a reader that the other one woke sees in its
-- snapshot that there is more to wait for, and looks again. Who holds the lock for longer can delay, never lose: readers
-- look every second by themselves.
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
  if found and pg_try_advisory_xact_lock(1818850917, (TG_RELID::bigint % 2147483647)::integer) then
    perform pg_notify('lightning:' || TG_TABLE_NAME, '');
  end if;
  return null;
end
$$;

comment on function app_private.tg__publish() is 'Trigger: writes the keys of what changed into app_private.events, and wakes up who listens on lightning:<table>, without payload.';
