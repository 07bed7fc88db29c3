-- The names that a table may have in the log when a caller says `tasks` or `app_public.tasks`.
create or replace function audit.table_names(name text) returns text[]
language sql immutable strict parallel safe
return array[name, 'app_public.' || name];

comment on function audit.table_names(text) is 'The names in the log that a caller may mean by a name.';
