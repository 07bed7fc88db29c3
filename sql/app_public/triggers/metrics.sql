-- A partitioned table's row triggers are made on its partitions by Postgres, those attached later included.
create or replace trigger _200_keys
  before update of tenant_id, id, "timestamp" on app_public.metrics
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.id is distinct from new.id
    or old."timestamp" is distinct from new."timestamp"
  )
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of tags on app_public.metrics
  for each row
  when (app_private.may_print_long(new.tags))
  execute function app_private.tg__refuse_long_numbers('tags');

-- Nobody but the owner may name a partition, so the parent's trigger sees every statement.
create or replace trigger _500_mark_changes
  after insert on app_public.metrics
  referencing new table as new_rows
  for each statement
  execute function app_private.tg_metrics__mark_changes();
