-- Whether a token opens a session. The operator `=` of legacy.token: a column of this type holds the session's id, and a program compares
-- it with a token, as a literal (which Postgres takes for the column's own type), a text or a varchar.
create or replace function legacy.is_token(session legacy.token, token legacy.token) returns boolean
language sql stable strict
set search_path to pg_catalog, pg_temp
return session::text = legacy.session_of(token::text);

comment on function legacy.is_token(legacy.token, legacy.token) is 'Whether a token opens a session, whose id a value of legacy.token is.';
grant execute on function legacy.is_token(legacy.token, legacy.token) to :SERVICE;

create or replace function legacy.is_token(session legacy.token, token text) returns boolean
language sql stable strict
set search_path to pg_catalog, pg_temp
return session::text = legacy.session_of(token::text);

comment on function legacy.is_token(legacy.token, text) is 'Whether a token opens a session, whose id a value of legacy.token is.';
grant execute on function legacy.is_token(legacy.token, text) to :SERVICE;

create or replace function legacy.is_token(session legacy.token, token varchar) returns boolean
language sql stable strict
set search_path to pg_catalog, pg_temp
return session::text = legacy.session_of(token::text);

comment on function legacy.is_token(legacy.token, varchar) is 'Whether a token opens a session, whose id a value of legacy.token is.';
grant execute on function legacy.is_token(legacy.token, varchar) to :SERVICE;
