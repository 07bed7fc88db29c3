-- Removes a month of the audit log that the policy `audit` does not keep by the clock of the server, whatever the caller says. Returns
-- its rows. Definer: only the owner may remove a partition of the log.
create or replace function ops.remove_audit_month(partition text, version text) returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if not exists (select from ops.removable_audit_months() m where m.partition = remove_audit_month.partition) then
    raise exception '% is not a partition to be removed', partition
      using errcode = 'LTP05', hint = 'List those that can be: select * from ops.removable_audit_months();';
  end if;
  return audit.remove_partition(partition, version);
end
$$;

comment on function ops.remove_audit_month(text, text) is 'Removes a month of the audit log that its policy does not keep, with a link of the chain that says so. Returns its rows. LTA06 when it is not wholly sealed, LTP05 when it is kept.';
grant execute on function ops.remove_audit_month(text, text) to :WORKER;
