-- The newest entries of the log that match, before a place in it. Conditions that are null are left out of the statement, so that
-- the planner sees those that are there, with their values.
--   tenant_id    whose entries; with all_tenants null is everybody's
--   before_at, before_id  the place
create or replace function audit.matching_entries(
  tenant_id text, all_tenants boolean, table_names text[], keys jsonb[], subject text, "from" timestamptz, "to" timestamptz,
  operation text, role text, request_id text, before_at timestamptz, before_id bigint, max_rows integer
) returns setof audit.log
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
begin
  return query execute concat_ws(
    ' and ',
    'select l.* from audit.log l where true',
    case when not all_tenants or tenant_id is not null then 'l.tenant_id = $1' end,
    case when not all_tenants then 'l.at > (select audit.own_log_from($1))' end,
    -- A hold tells of a dispute, which may be with the tenant.
    case when not all_tenants then 'l.table_name <> ''ops.retention_holds''' end,
    case when table_names is not null then 'l.table_name = any ($2)' end,
    case when keys is not null then 'jsonb_hash_extended(l.key, 0) = any (array(select jsonb_hash_extended(k, 0) from unnest($3) k)) and l.key = any ($3)' end,
    case when subject is not null then 'l.subject = $4' end,
    case when "from" is not null then 'l.at >= $5' end,
    case when "to" is not null then 'l.at < $6' end,
    case when operation is not null then 'l.operation = $7' end,
    case when role is not null then 'l.role = any (array[$8, regexp_replace('':ADMIN'', ''admin$'', '''') || $8]::name[])' end,
    case when request_id is not null then 'l.request_id = $9' end,
    case when before_at is not null then '(l.at, l.id) < ($10, $11)' end
  ) || ' order by l.at desc, l.id desc limit $12'
  using
    tenant_id, table_names, keys, subject, "from", "to", lower(operation), role, request_id, before_at, before_id, max_rows;
end
$$;

comment on function audit.matching_entries(text, boolean, text[], jsonb[], text, timestamptz, timestamptz, text, text, text, timestamptz, bigint, integer) is 'The newest entries of the log that match, before a place in it.';
-- No grant: the functions that log their reads call it.
