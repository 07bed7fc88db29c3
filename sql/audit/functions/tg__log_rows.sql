-- Logs each row of a statement: an insert's new values, a delete's old values, of an update what changed and only that
-- (a row written again as it was leaves nothing). One statement trigger with transition tables, so a statement of a
-- thousand rows costs one insert here.
-- Arguments: the key columns, the columns to digest (array literals) and the column that holds the tenant. Definer:
-- nobody may write the log.
--
-- The sub-selects stand here three times instead of in functions of their own: functions that contain one are not
-- inlined, and calling them made an audited insert of one row cost three times as much. `offset 0` keeps a row from being
-- made into JSON once for each of its columns. An update of a single row, the usual one, has nothing to join: it takes a
-- way of its own, at half the cost.
create or replace function audit.tg__log_rows() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_table text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  v_key text[] := TG_ARGV[0];
  v_digested text[] := TG_ARGV[1];
  v_tenant_column text := TG_ARGV[2];
begin
  if TG_OP = 'INSERT' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, new_values, subject, role, request_id)
    select
      n.doc ->> v_tenant_column, v_table, 'insert', 1,
      (select jsonb_object_agg(k, n.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then n.doc else audit.digest(n.doc, v_digested) end,
      a.subject, a.role, a.request_id
    from (select to_jsonb(r) as doc from new_rows r offset 0) n cross join audit.actor() a;
  elsif TG_OP = 'DELETE' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, old_values, subject, role, request_id)
    select
      o.doc ->> v_tenant_column, v_table, 'delete', 1,
      (select jsonb_object_agg(k, o.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then o.doc else audit.digest(o.doc, v_digested) end,
      a.subject, a.role, a.request_id
    from (select to_jsonb(r) as doc from old_rows r offset 0) o cross join audit.actor() a;
  elsif (select count(*) = 1 from new_rows) then
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      d.new_doc ->> v_tenant_column, v_table, 'update', 1,
      (select jsonb_object_agg(k, d.new_doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then c.old_values else audit.digest(c.old_values, v_digested) end,
      case when v_digested = '{}' then c.new_values else audit.digest(c.new_values, v_digested) end,
      a.subject, a.role, a.request_id
    from (select to_jsonb(o) as old_doc, to_jsonb(n) as new_doc from old_rows o cross join new_rows n offset 0) d
    cross join lateral (
      select jsonb_object_agg(e.key, d.old_doc -> e.key) as old_values, jsonb_object_agg(e.key, e.value) as new_values
      from jsonb_each(d.new_doc) e
      where e.value is distinct from d.old_doc -> e.key
    ) c
    cross join audit.actor() a
    where c.new_values is not null;
  else
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      n.doc ->> v_tenant_column, v_table, 'update', 1, n.key,
      case when v_digested = '{}' then c.old_values else audit.digest(c.old_values, v_digested) end,
      case when v_digested = '{}' then c.new_values else audit.digest(c.new_values, v_digested) end,
      a.subject, a.role, a.request_id
    from (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from new_rows r offset 0) d
    ) n
    join (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from old_rows r offset 0) d
    ) o using (key)
    cross join lateral (
      select
        jsonb_object_agg(e.key, o.doc -> e.key) as old_values,
        jsonb_object_agg(e.key, e.value) as new_values
      from jsonb_each(n.doc) e
      where e.value is distinct from o.doc -> e.key
    ) c
    cross join audit.actor() a
    where c.new_values is not null;
  end if;
  return null;
end
$$;
