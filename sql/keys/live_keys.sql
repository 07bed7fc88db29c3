-- Which of these keys still open the API. Each process of the API asks for the keys whose streams it serves, all in one anonymous
-- request, and ends the streams of the others. Definer, as ops.key_claims: it reveals only that a key lives, to callers who know
-- its id.
create or replace function ops.live_keys(ids text[]) returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select k.id
  from app_private.api_keys k
  left join app_public.tenants t on t.id = k.tenant_id
  where k.id = any (live_keys.ids) and (k.expires_at is null or k.expires_at > now()) and t.suspended_at is null
$$;

comment on function ops.live_keys(text[]) is 'Which of these keys are live: neither over nor revoked, and their tenant not suspended.';
grant execute on function ops.live_keys(text[]) to :ANON;
