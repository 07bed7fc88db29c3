-- Checks the arguments of a new session. Returns true or raises: it stands in the `where` of the statement that opens one.
create or replace function app_private.check_session(
  user_id text,
  data jsonb,
  ttl interval,
  role text,
  sliding boolean,
  max_age interval
) returns boolean
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  if user_id is null or length(user_id) not between 1 and 100 then
    raise exception 'user_id must have 1 to 100 characters, not %', coalesce(length(user_id), 0)
      using errcode = 'LTU01', hint = 'Name the user whose session it is.';
  end if;
  if ttl is null or ttl < interval '1 second' or ttl > interval '1 year'
    or sliding is null or (sliding and (max_age is null or max_age < interval '1 second' or max_age > interval '1 year'))
  then
    raise exception 'a session cannot live for a ttl of % (sliding: %, max_age: %)',
      coalesce(ttl::text, 'null'), coalesce(sliding::text, 'null'), coalesce(max_age::text, 'null')
      using errcode = 'LTU02', hint = 'ttl, and max_age of a sliding session, must be between one second and one year.';
  end if;
  if role is null or role not in ('member', 'service', 'admin') then
    raise exception 'a session cannot have the role %', coalesce(role, 'null')
      using errcode = 'LTU03', hint = 'Use member, service or admin.';
  end if;
  if data is null or jsonb_typeof(data) <> 'object' then
    raise exception 'data must be an object, not %', coalesce(jsonb_typeof(data), 'null')
      using errcode = 'LTU05', hint = 'Leave it out, or pass an object.';
  end if;
  return true;
end
$$;

comment on function app_private.check_session(text, jsonb, interval, text, boolean, interval) is 'Checks the arguments of a new session: true, or LTU01, LTU02, LTU03, LTU05.';
grant execute on function app_private.check_session(text, jsonb, interval, text, boolean, interval) to :SERVICE, :ADMIN;
