-- The place in the log that a cursor stands for, and the check of how many entries a caller may ask for. LTA08.
create or replace function audit.cursor_position(cursor text, max_rows integer, out at timestamptz, out id bigint)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  if max_rows is null or max_rows not between 1 and 1000 then
    perform app_private.refuse_argument('LTA08', 'max_rows', format('%s; expected 1 to 1000', coalesce(max_rows::text, 'null')));
  end if;
  if cursor is not null then
    if cursor !~ '^\d{1,18}-\d{1,18}$' then
      perform app_private.refuse_argument('LTA08', 'cursor', 'expected the cursor of an entry');
    end if;
    at := timestamptz 'epoch' + split_part(cursor, '-', 1)::bigint * interval '1 microsecond';
    id := split_part(cursor, '-', 2)::bigint;
  end if;
end
$$;

comment on function audit.cursor_position(text, integer) is 'The place in the log that a cursor stands for.';
