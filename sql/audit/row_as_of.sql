-- Rebuilds a row from the log. The row at a moment is what the changes before the first later one made of it. From the insert, or
-- the entry `present`, on they give the whole row. Before that (retention removed that part), a later delete has the whole row, from
-- which the changes between are taken back; and without it the columns are known that a change before or after names.
-- Definer, as app_public.audit_search.
create or replace function app_public.row_as_of("table" text, key jsonb, at timestamptz) returns app_public.audit_row
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_names text[] := audit.table_names("table");
  v_keys jsonb[] := audit.possible_keys(v_names, key, v_tenant_id);
  v_first bigint;
  v_next bigint;
  v_last text;
  v_insert bigint;
  v_end bigint;
  v_following text;
  v_whole boolean := true;
  v_row app_public.audit_row;
  v_omitted text[];
begin
  perform audit.refuse_unlogged_table("table");
  if key is null or at is null then
    perform app_private.refuse_argument('LTA08', case when key is null then 'key' else 'at' end, 'it is missing');
  end if;
  select min(e.id), min(e.id) filter (where e.at > at) into v_first, v_next
  from audit.row_entries(v_names, v_keys, v_tenant_id) e;
  -- The last change before the moment; the insert that this row began with.
  select
    (array_agg(e.operation order by e.id desc))[1],
    max(e.id) filter (where e.operation in ('insert', 'present'))
  into v_last, v_insert
  from audit.row_entries(v_names, v_keys, v_tenant_id) e
  where v_next is null or e.id < v_next;
  -- The first change after it, and the one that the row ended with.
  select (array_agg(e.operation order by e.id))[1], min(e.id) filter (where e.operation <> 'update')
  into v_following, v_end
  from audit.row_entries(v_names, v_keys, v_tenant_id) e
  where e.id >= v_next;

  v_row.state := case
    when v_last in ('insert', 'present', 'update') then 'present'
    when v_last in ('delete', 'truncate') then 'absent'
    when v_following = 'insert' then 'absent'
    when v_following in ('update', 'delete') then 'present'
    else 'unknown'
  end;
  -- A truncate of a table in which the row was never seen.
  if v_last = 'truncate' and v_following in ('update', 'delete') then
    v_row.state := 'present';
  end if;

  if v_row.state = 'present' then
    -- An earlier insert whose row ended is another row's.
    if exists (
      select from audit.row_entries(v_names, v_keys, v_tenant_id) e
      where e.operation in ('delete', 'truncate') and e.id > v_insert and (v_next is null or e.id < v_next)
    ) then
      v_insert := null;
    end if;
    select jsonb_object_agg(c.key, c.value order by c.place)
    into v_row.row_values
    from (
      -- What comes later in this order wins: what is taken back, the oldest last; then what was done, the newest last.
      select v.key, v.value, row_number() over (order by e.id >= coalesce(v_next, e.id + 1) desc, case when e.id >= v_next then -e.id else e.id end) as place
      from audit.row_entries(v_names, v_keys, v_tenant_id) e
      cross join lateral jsonb_each(case when e.id >= v_next then e.old_values else e.new_values end) v
      where case
        when v_insert is not null then e.id >= v_insert and (v_next is null or e.id < v_next)
        when e.id >= v_next then e.id <= coalesce(v_end, e.id) and e.operation in ('update', 'delete')
        else e.operation = 'update' and e.id > coalesce((
          select max(x.id) from audit.row_entries(v_names, v_keys, v_tenant_id) x
          where x.operation in ('delete', 'truncate') and x.id < coalesce(v_next, x.id + 1)
        ), 0)
      end
    ) c;
    v_whole := v_insert is not null or exists (
      select from audit.row_entries(v_names, v_keys, v_tenant_id) e where e.id = v_end and e.operation = 'delete'
    );
    select coalesce(array_agg(v.key order by v.key), '{}') into v_row.digested_columns
    from jsonb_each(v_row.row_values) v
    where jsonb_typeof(v.value) = 'string' and v.value #>> '{}' ~ '^sha256:[0-9a-f]{64}$';
    select
      coalesce(array_agg(a.attname::text order by a.attnum), '{}'), coalesce(max(o.names), '{}')
    into v_row.unknown_columns, v_omitted
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    -- The arguments of the trigger: columns, digested, omitted.
    left join lateral (
      select split_part(encode(t.tgargs, 'escape'), '\000', 3)::text[] as names
      from pg_trigger t where t.tgrelid = c.oid and t.tgname = '_800_audit_insert' and t.tgnargs = 3
    ) o on true
    where n.nspname || '.' || c.relname = any (v_names) and not v_row.row_values ? a.attname
      and (not v_whole or a.attname = any (o.names));
    v_row.note := nullif(concat_ws('; ',
      case when not v_whole then 'the log does not have the beginning of the row, so it knows only columns that changed' end,
      case when v_omitted <> '{}' then 'the log leaves columns out' end,
      case when v_row.digested_columns <> '{}' then 'the log has digests of some columns' end
    ), '');
  elsif v_row.state = 'unknown' then
    v_row.note := 'the log has nothing about the row: it was never there, or did not change since the log began';
  end if;
  perform audit.log_read(v_tenant_id, 'row_as_of', jsonb_build_object('table', "table", 'key', key, 'at', at), 1);
  return v_row;
end
$$;

comment on function app_public.row_as_of(text, jsonb, timestamptz) is
  E'A row as it was at a moment, rebuilt from the audit log: what transactions did that had begun by then. `key` is its primary key without the tenant, or the single value. `state` is absent when it did not exist. What the log cannot tell is said and not guessed. Is logged. LTA07 the log has no rows of the table, LTA08 an argument.';
grant execute on function app_public.row_as_of(text, jsonb, timestamptz) to :ADMIN;
