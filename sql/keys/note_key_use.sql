-- Notes that keys were used. A key is written at most once a minute, however many processes serve it, and one that another process
-- is writing is passed over. While writes are stopped nothing is noted. Definer, as ops.key_claims.
create or replace function ops.note_key_use(ids text[]) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if app_private.writes_stopped() then
    return;
  end if;
  update app_private.api_keys k
  set last_used_at = now()
  from (
    select d.id
    from app_private.api_keys d
    where d.id = any (note_key_use.ids) and (d.last_used_at is null or d.last_used_at < now() - interval '1 minute')
    order by d.id
    for no key update skip locked
  ) due
  where k.id = due.id;
end
$$;

comment on function ops.note_key_use(text[]) is 'Notes that these keys were used; writes each at most once a minute.';
grant execute on function ops.note_key_use(text[]) to :ANON;
