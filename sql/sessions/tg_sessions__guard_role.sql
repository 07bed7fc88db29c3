-- A session's token opens the API, so whoever opens a session hands out its role. Only an administrator may hand out the role
-- of one; a service could otherwise make itself an administrator.
create or replace function app_private.tg_sessions__guard_role() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if current_user <> ':ADMIN' then
    raise exception 'only an administrator can open a session with the role admin'
      using errcode = 'LTU04', hint = 'Use an administrator''s token, or ask for another role.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_sessions__guard_role() is 'Trigger: refuses a session of an administrator, with LTU04, to anybody but an administrator.';
