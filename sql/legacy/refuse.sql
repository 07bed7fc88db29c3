-- Refuses what the legacy system writes and nothing here stands for.
create or replace function legacy.refuse(place text, problem text) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'legacy.% cannot be written: %', place, problem
    using errcode = 'LTL01', hint = 'What the views take is in docs/legacy.md.';
end
$$;

comment on function legacy.refuse(text, text) is 'Refuses what the legacy system writes and nothing here stands for, with LTL01.';
grant execute on function legacy.refuse(text, text) to :SERVICE;
