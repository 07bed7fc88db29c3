-- Runs as :SEARCH, whose updates are not audited (knowledge/knowledge.sql): otherwise a search would leave a row in the log for
-- each item that it used. It may update only the two columns that are set here. It locks the rows in the order of their keys,
-- so that two searches that used the same items do not deadlock.
grant create on schema app_public to :SEARCH;
set local role :SEARCH;

create or replace function app_public.touch_knowledge(ids text[]) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_touched integer;
begin
  if ids is null or cardinality(ids) > 10000 then
    raise exception 'ids must be a list of at most 10000 items, not %', coalesce(cardinality(ids)::text, 'null')
      using errcode = 'LTS14';
  end if;
  update app_public.knowledge k
  set usage_count = k.usage_count + 1, last_used_at = now()
  from (
    select u.id
    from app_public.knowledge u
    where u.tenant_id = v_tenant_id and u.id = any (ids)
    order by u.id
    for no key update
  ) used
  where k.tenant_id = v_tenant_id and k.id = used.id;
  get diagnostics v_touched = row_count;
  return v_touched;
end
$$;

revoke execute on function app_public.touch_knowledge(text[]) from public;
grant execute on function app_public.touch_knowledge(text[]) to :MEMBER, :SERVICE, :ADMIN;

comment on function app_public.touch_knowledge(text[]) is $$Counts one use of each item: usage_count and last_used_at.

ids: the items, 10000 at most. A repeated id counts once; an unknown id is skipped. Leaves no trace in the audit log.

Returns how many items were counted.

Errors: LTS14 ids is missing or too long.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
