-- Keys never change: the audit log, the leases and other systems refer to rows by them. Grants already exclude the key
-- columns; this trigger stops the owner, too.
create or replace function app_private.tg__refuse_key_change() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'the key of a row in %.% cannot be changed', TG_TABLE_SCHEMA, TG_TABLE_NAME
    using errcode = 'LTK01', hint = 'Insert a row under the new key and delete the old one.';
end
$$;

comment on function app_private.tg__refuse_key_change() is 'Trigger: refuses to change a key, with LTK01.';
