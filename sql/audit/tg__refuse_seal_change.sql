-- Keeps the chain as it was written. Whoever may alter the table can still disable this trigger: such a change is found by
-- audit.verify, and by the heads that have left the database. A part may lose its list of rows once its partition was removed by
-- retention.
create or replace function audit.tg__refuse_seal_change() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if TG_OP = 'UPDATE' and TG_RELID = 'audit.seal_parts'::regclass then
    if NEW.ids is null and NEW.leaves is null
      and (NEW.number, NEW.month, NEW.row_count, NEW.digest) = (OLD.number, OLD.month, OLD.row_count, OLD.digest)
      and exists (select from audit.seals s where s.kind = 'removal' and s.removed_month = OLD.month)
    then
      return NEW;
    end if;
  end if;
  raise exception 'a seal of the audit log is never changed'
    using errcode = 'LTA03', hint = 'Seals are made by ops.seal_audit_log, and stay.';
end
$$;

comment on function audit.tg__refuse_seal_change() is 'Trigger: refuses to change the chain of the audit log (LTA03).';
