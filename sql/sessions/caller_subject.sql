-- The subject that the API verified; null for a direct login, whose settings prove nothing.
create or replace function app_private.caller_subject() returns text
language sql stable parallel safe
return case
  when pg_catalog.pg_has_role(session_user, ':ANON', 'member')
    then nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
end;

comment on function app_private.caller_subject() is 'The verified subject of the request: the name of a user or service. Null for a direct login.';
