-- The id of the session of the caller's tenant that a token opens; null: none. Definer: nobody may read the digests. It tells whether a
-- token is good, which whoever has the token may know.
create or replace function legacy.session_of(token text) returns text
language sql stable strict security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select s.id::text
  from app_public.sessions s
  where s.token = app_private.token_digest(session_of.token) and s.tenant_id = app_private.current_tenant_id();
end;

comment on function legacy.session_of(text) is 'The id of the session of the caller''s tenant that a token opens; null: none.';
grant execute on function legacy.session_of(text) to :SERVICE;
