-- Reads the outbox from a position on: the events that are visible now and were not in the snapshot `since`. That gives commit
-- order without gaps, in whatever order ids were assigned and however long a transaction took. The index serves it, with the
-- transactions that began later and those that were running then. From the transaction `after_transaction`, which was read in
-- part, it takes the rows from `after_id` on, and these come first. With a null `since` it returns the position alone.
--
-- The API asks as an anonymous request. Definer: nobody may read the outbox. Neither API offers this schema, and whoever can
-- `set role` as the API's login can name any tenant, too.
create or replace function ops.read_events(
  since pg_snapshot,
  after_transaction xid8,
  after_id bigint,
  tenants text[],
  max_rows integer
) returns table (current_snapshot text, trimmed_snapshot text, events json)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    pg_current_snapshot()::text,
    (select m.snapshot::text from app_private.event_marks m where m.trimmed),
    (
      select coalesce(json_agg(json_build_object(
        'transaction', r.transaction_id::text::bigint, 'id', r.id, 'tenantId', r.tenant_id, 'topic', r.topic,
        'operation', r.operation, 'keys', r.keys
      ) order by r.transaction_id is distinct from after_transaction, r.transaction_id, r.id), '[]')
      from (
        select e.*
        from (
          select n.* from app_private.events n where n.transaction_id >= pg_snapshot_xmax(since)
          union all
          select n.*
          from pg_snapshot_xip(since) x
          join app_private.events n on n.transaction_id = x
        ) e
        where e.tenant_id = any (tenants)
          and (e.transaction_id is distinct from after_transaction or e.id >= after_id)
        order by e.transaction_id is distinct from after_transaction, e.transaction_id, e.id
        limit max_rows
      ) r
    )
$$;

comment on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) is 'Reads the outbox of these tenants from a position on, at most max_rows rows: the current snapshot, the snapshot that the outbox is trimmed to, and rows {transaction, id, tenantId, topic, operation, keys} in the order to deliver them.';
-- Each process of the API reads the changes for all of its subscribers at once, as an anonymous request.
grant execute on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) to :ANON;
