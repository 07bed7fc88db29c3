-- Refuses to tell of rows of a table that the log has no rows of, because silence would look as if nothing had happened. LTA07.
create or replace function audit.refuse_unlogged_table(name text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_names text[] := audit.table_names(name);
  v_found boolean;
  v_logger text;
begin
  if name is null then
    perform app_private.refuse_argument('LTA08', 'table', 'it is missing');
  end if;
  select true, t.tgfoid::regproc::text into v_found, v_logger
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join pg_trigger t on t.tgrelid = c.oid and t.tgname = '_800_audit_insert'
  where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any (v_names)
  order by t.oid
  limit 1;
  -- A table that was dropped, renamed or is not audited any longer may have rows in the log.
  if v_logger = 'audit.tg__log_summary'
    or v_logger is null and not exists (
      -- Not DDL, which is in the log under the name of the table, too.
      select from audit.log l where l.table_name = any (v_names) and l.operation in ('insert', 'update', 'delete')
    )
  then
    raise exception 'the audit log has no rows of %: %', name,
      case
        when v_logger is not null then 'it counts them by statement, which audit_search shows'
        when v_found then 'it is not audited'
        else 'there is no such table, name it as it was called then, with its schema unless that is app_public'
      end
      using errcode = 'LTA07';
  end if;
end
$$;

comment on function audit.refuse_unlogged_table(text) is 'Refuses a table that the log has no rows of.';
