-- Logs each row of a statement: an insert's new values, a delete's old values, of an update what changed and only that
-- (a row written again as it was leaves nothing). One statement trigger with transition tables, so a statement of a
-- thousand rows costs one insert here.
-- Arguments: the key columns, the columns to digest (array literals) and the column that holds the tenant. Definer:
-- nobody may write the log.
create or replace function audit.tg__log_rows() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_table text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  v_key text[] := TG_ARGV[0];
  v_digested text[] := TG_ARGV[1];
  v_tenant_column text := TG_ARGV[2];
  v_actor record;
begin
  v_actor := audit.actor();
  if TG_OP = 'INSERT' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, new_values, subject, role, request_id)
    select
      n.doc ->> v_tenant_column, v_table, 'insert', 1, audit.pick(n.doc, v_key), audit.digest(n.doc, v_digested),
      v_actor.subject, v_actor.role, v_actor.request_id
    from (select to_jsonb(r) as doc from new_rows r) n;
  elsif TG_OP = 'DELETE' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, old_values, subject, role, request_id)
    select
      o.doc ->> v_tenant_column, v_table, 'delete', 1, audit.pick(o.doc, v_key), audit.digest(o.doc, v_digested),
      v_actor.subject, v_actor.role, v_actor.request_id
    from (select to_jsonb(r) as doc from old_rows r) o;
  else
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      c.tenant_id, v_table, 'update', 1, c.key,
      audit.digest(c.old_changed, v_digested),
      audit.digest(c.new_changed, v_digested),
      v_actor.subject, v_actor.role, v_actor.request_id
    from (
      select
        n.doc ->> v_tenant_column as tenant_id, n.key,
        audit.difference(o.doc, n.doc) as old_changed,
        audit.difference(n.doc, o.doc) as new_changed
      from (select to_jsonb(r) as doc, audit.pick(to_jsonb(r), v_key) as key from new_rows r) n
      join (select to_jsonb(r) as doc, audit.pick(to_jsonb(r), v_key) as key from old_rows r) o using (key)
    ) c
    where c.new_changed <> '{}';
  end if;
  return null;
end
$$;
