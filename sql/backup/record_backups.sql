-- Records what the store holds: an array of {id, kind, parentId, startedAt, endedAt, objects, bytes, storedBytes,
-- manifestSha256, server}. Marks backups that are missing from it. Returns the ids of backups whose manifest differs from the
-- one first recorded; that record stays as evidence. Definer: nobody writes the table by hand.
create or replace function ops.record_backups(backups jsonb) returns setof text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.backups (
    id, kind, parent_id, started_at, ended_at, objects, bytes, stored_bytes, manifest_sha256, server
  )
  select
    b ->> 'id', b ->> 'kind', b ->> 'parentId', (b ->> 'startedAt')::timestamptz, (b ->> 'endedAt')::timestamptz,
    (b ->> 'objects')::integer, (b ->> 'bytes')::bigint, (b ->> 'storedBytes')::bigint, b ->> 'manifestSha256',
    nullif(b -> 'server', 'null'::jsonb)
  from jsonb_array_elements(record_backups.backups) b
  on conflict on constraint backups_pkey do update set removed_at = null where ops.backups.removed_at is not null;
  update ops.backups k set removed_at = clock_timestamp()
  where k.removed_at is null
    and not exists (select from jsonb_array_elements(record_backups.backups) b where b ->> 'id' = k.id);
  return query
    select k.id
    from ops.backups k
    join jsonb_array_elements(record_backups.backups) b on b ->> 'id' = k.id
    where b ->> 'manifestSha256' <> k.manifest_sha256
    order by k.id;
end
$$;

comment on function ops.record_backups(jsonb) is 'Records which backups the store holds. Returns the ids of those whose manifest differs from the recorded one.';
grant execute on function ops.record_backups(jsonb) to :WORKER;
