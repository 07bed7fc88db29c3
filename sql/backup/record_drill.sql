-- Records what a drill found, and returns whether it proves the backups. Definer: nobody writes a verdict by hand.
create or replace function ops.record_drill(
  started_at timestamptz,
  backups text[],
  "position" text,
  compared_tables integer,
  compared_rows bigint,
  restore_ms bigint,
  problems text[],
  self_tests jsonb
) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  insert into ops.drills (started_at, backups, "position", compared_tables, compared_rows, restore_time, problems, self_tests)
  values ($1, $2, $3, $4, $5, $6 * interval '1 millisecond', $7, $8)
  returning passed
$$;

comment on function ops.record_drill(timestamptz, text[], text, integer, bigint, bigint, text[], jsonb) is 'Records what a drill found; true when it passed.';
grant execute on function ops.record_drill(timestamptz, text[], text, integer, bigint, bigint, text[], jsonb) to :WORKER;
