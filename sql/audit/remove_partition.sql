-- Removes a month of the log, with a link of the chain that says so: audit.verify then takes its rows for removed, and a partition that
-- somebody dropped by hand for tampered with. Refused unless the month is over, every row of it is sealed, and no hold on any data
-- of that time exists (ops.retention_holds). Only the owner may call this: the worker does through ops.remove_audit_month.
create or replace function audit.remove_partition(partition text, version text) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '200ms'
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
#variable_conflict use_variable
declare
  v_name text;
  v_table regclass;
  v_start timestamptz;
  v_end timestamptz;
  v_rows bigint;
  v_sealed bigint;
  v_reason text;
  v_head audit.seals;
  v_last audit.seals;
  v_seal audit.seals;
begin
  select format('%I.%I', n.nspname, c.relname), c.oid::regclass, b.ends[1]::timestamptz, b.ends[2]::timestamptz
  into v_name, v_table, v_start, v_end
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  join pg_namespace n on n.oid = c.relnamespace
  cross join regexp_match(pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$) b(ends)
  where i.inhparent = 'audit.log'::regclass and format('%I.%I', n.nspname, c.relname) = partition;
  if v_name is not null then
    -- The sealer waits, so that no link comes in between.
    perform from audit.sealing g where g.only_row for update;
    execute format('lock table %s in share mode', v_table);
    select count(*) into strict v_rows from audit.log r where r.at >= v_start and r.at < v_end;
    select coalesce(sum(p.row_count), 0) into strict v_sealed from audit.seal_parts p where p.month = v_start;
  end if;
  v_reason := case
    when v_name is null then 'it is not a partition of audit.log'
    when v_end <> v_start + interval '1 month' or date_trunc('month', v_start) <> v_start then 'it is not a month'
    when v_end > now() then 'its month is not over'
    when v_rows <> v_sealed or v_rows = 0 then format('%s of its rows are sealed, and it has %s', v_sealed, v_rows)
    when exists (select from ops.retention_holds h where h.held && tstzrange(v_start, v_end)) then 'data of its time is held'
  end;
  if v_reason is not null then
    raise exception '% cannot be removed: %', partition, v_reason using errcode = 'LTA06';
  end if;

  select s.* into strict v_head from audit.seals s order by s.number desc limit 1;
  select s.* into strict v_last from audit.seals s where s.kind = 'rows' order by s.number desc limit 1;
  v_seal := v_last;
  v_seal.number := v_head.number + 1;
  v_seal.kind := 'removal';
  v_seal.row_count := v_rows;
  v_seal.total_rows := v_head.total_rows;
  select sha256(string_agg(p.digest, ''::bytea order by p.number)) into strict v_seal.digest from audit.seal_parts p where p.month = v_start;
  v_seal.removed_month := v_start;
  v_seal.removed_partition := v_name;
  v_seal.sealed_at := clock_timestamp();
  v_seal.version := version;
  v_seal.previous := v_head.hash;
  v_seal.hash := audit.seal_hash(v_seal);
  insert into audit.seals select (v_seal).*;
  update audit.seal_parts p set ids = null, leaves = null where p.month = v_start;
  execute format('alter table audit.log detach partition %s', v_table);
  execute format('drop table %s', v_table);
  insert into ops.retention_receipts (policy, tenant_id, older_than, partition, row_count, bytes) values ('audit', null, v_end, v_name, v_rows, 0);
  return v_rows;
end
$$;

comment on function audit.remove_partition(text, text) is 'Removes a month of the log and records it in the chain. Returns its rows. LTA06 when it is not a sealed month that is over and not held.';
