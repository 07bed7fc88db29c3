-- Searches the stored form, without printing, for numbers beyond a double, numbers that are nearly zero, and zeros, which may
-- have 16,383 digits behind the point.
create or replace function app_private.may_print_long(document jsonb) returns boolean
language sql immutable strict parallel safe
return pg_catalog.jsonb_path_exists(
  document,
  'strict $.** ? (@.type() == "number" && (@ > 1e308 || @ < -1e308 || (@ < 1e-308 && @ > -1e-308)))'
);

comment on function app_private.may_print_long(jsonb) is 'Whether JSON holds numbers that print far longer than they are stored.';
-- Conditions of triggers call it with the rights of whoever writes.
grant execute on function app_private.may_print_long(jsonb) to :MEMBER, :SERVICE, :ADMIN, :JOBS;
