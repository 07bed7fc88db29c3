-- Refuses an argument of maintenance that is out of bounds. A stolen login of the worker may call these functions with any.
create or replace function app_private.refuse_bounds(argument text, holds boolean, expected text) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if holds is not true then
    raise exception '% must be %', argument, expected using errcode = 'LTP06';
  end if;
end
$$;

comment on function app_private.refuse_bounds(text, boolean, text) is 'Raises LTP06 unless the argument keeps its bounds.';
-- Functions that run as the owner or as :JOBS.
grant execute on function app_private.refuse_bounds(text, boolean, text) to :JOBS;
