--! Previous: sha1:8d32ca4f915d45d2b8debddfa564ca3a28e9b8bd
--! Hash: sha1:f2770260084245ead971c2759934c7a1cfc825c7
--! Message: named_arguments

--! Included sessions/check_session.sql
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
--! EndIncluded sessions/check_session.sql
--! Included sessions/touch_session.sql
-- Prolongs a session from now: by its own sliding time, or by `ttl`.
create or replace function app_public.touch_session(session_id uuid, ttl interval default null) returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_expires_at timestamptz;
begin
  if ttl < interval '1 second' or ttl > interval '1 year' then
    raise exception 'a session cannot be prolonged by a ttl of %', ttl
      using errcode = 'LTU06', hint = 'ttl must be between one second and one year.';
  end if;
  update app_public.sessions s
  set expires_at = coalesce(
    least(
      now() + coalesce(
        touch_session.ttl, case when s.sliding_ttl > interval '1 year' then interval '1 year' else s.sliding_ttl end
      ),
      s.ends_at
    ),
    s.expires_at
  )
  where s.id = touch_session.session_id and s.expires_at > now()
  returning s.expires_at into v_expires_at;
  if not found then
    raise exception 'session % does not exist or is over', coalesce(session_id::text, 'null')
      using errcode = 'LTU07', hint = 'It was revoked, has expired or never existed: open a new one.';
  end if;
  return v_expires_at;
end
$$;

comment on function app_public.touch_session(uuid, interval) is
  E'Prolongs a session from now by `ttl`, or without one by its sliding time (a session that does not slide stays as it is), and never beyond its `max_age`. Returns when it ends. LTU06 ttl, LTU07 no such session, or it is over.';
grant execute on function app_public.touch_session(uuid, interval) to :SERVICE;
--! EndIncluded sessions/touch_session.sql
--! Included tasks/enqueue_task.sql
-- Invoker: whoever may insert a task may enqueue one.
create or replace function app_public.enqueue_task(
  description text,
  context jsonb default '{}',
  priority text default 'normal',
  agent_id text default null,
  run_after timestamptz default null,
  max_attempts integer default 5,
  required_capabilities text[] default '{}',
  idempotency_key text default null
) returns app_public.tasks
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_task app_public.tasks;
begin
  v_problem := case
    when coalesce(description, '') = '' then array['description', 'must not be empty']
    when context is null then array['context', 'must not be null']
    when priority is null or priority not in ('low', 'normal', 'high', 'critical')
      then array['priority', format('%s is not one of low, normal, high, critical', coalesce(priority, 'null'))]
    when max_attempts is null or max_attempts < 1
      then array['max_attempts', format('%s is less than 1', coalesce(max_attempts::text, 'null'))]
    when array_ndims(required_capabilities) > 1 then array['required_capabilities', 'must be a list, not a list of lists']
    when required_capabilities is null or array_position(required_capabilities, null) is not null
      then array['required_capabilities', 'must be an array without nulls']
    when length(idempotency_key) not between 1 and 200
      then array['idempotency_key', 'must have 1 to 200 characters']
    when agent_id is not null and not exists (select from app_public.agents a where a.id = enqueue_task.agent_id)
      then array['agent_id', format('agent %s does not exist', agent_id)]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  -- If the task with this key is deleted between the two statements, the next round inserts a new one.
  loop
    insert into app_public.tasks (
      description, context, priority, agent_id, run_after, max_attempts, required_capabilities, idempotency_key
    )
    values (
      enqueue_task.description, enqueue_task.context, enqueue_task.priority, enqueue_task.agent_id,
      coalesce(enqueue_task.run_after, now()), enqueue_task.max_attempts, enqueue_task.required_capabilities,
      enqueue_task.idempotency_key
    )
    on conflict (tenant_id, idempotency_key) where idempotency_key is not null do nothing
    returning * into v_task;
    exit when found;

    select * into v_task from app_public.tasks t where t.idempotency_key = enqueue_task.idempotency_key;
    exit when found;
  end loop;
  return v_task;
end
$$;

comment on function app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text) is 'Adds a task to the queue. `priority`: low, normal, high or critical. `agent_id`: only this agent may claim it. `run_after`: it is not claimed before. `max_attempts`: the number of failed and expired attempts after which it is dead. `required_capabilities`: only an agent with all of them may claim it. `idempotency_key`: if a task with this key exists, it is returned as it is and none is added. Returns the task. Errors: LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text)
  to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded tasks/enqueue_task.sql
--! Included metrics/metric_request.sql
-- Checks the arguments of the functions that read metrics, and converts them to the terms that these compute in:
--   range_start, range_end  of a series: widened to whole buckets
--   bucket                  in seconds alone, because a day added in the session's time zone may have 23 hours; by default
--                           the smallest of the usual widths that makes at most 200, or a week
--   fraction                0 to 1 when the aggregate is a percentile, null otherwise
create or replace function app_private.metric_request(
  inout range_start timestamptz,
  inout range_end timestamptz,
  inout bucket interval,
  aggregate text,
  fill text,
  tags jsonb,
  out fraction double precision
)
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_origin constant timestamptz := '2001-01-01 00:00:00Z';
begin
  if range_start is null or range_end is null or not isfinite(range_start) or not isfinite(range_end)
    or range_start >= range_end
  then
    raise exception 'the range must run from one finite time to a later one, not from % to %', coalesce(range_start::text, 'null'), coalesce(range_end::text, 'null')
      using errcode = 'LTM02', hint = 'Give both "from" and "to".';
  end if;

  if tags is null or jsonb_typeof(tags) <> 'object' or jsonb_path_exists(tags, 'strict $.* ? (@.type() == "object" || @.type() == "array")')
  then
    raise exception 'tags must be a flat object, not %', coalesce(tags::text, 'null')
      using errcode = 'LTM05', hint = 'A point matches when it has all of these tags: {"route": "/"}. Every point matches {}.';
  end if;

  if aggregate ~ '^p\d{1,2}(\.\d{1,6})?$' then
    fraction := substr(aggregate, 2)::double precision / 100;
  elsif aggregate is null or aggregate not in ('avg', 'sum', 'min', 'max', 'count', 'rate', 'last') then
    raise exception 'unknown aggregate %', coalesce(aggregate, 'null')
      using errcode = 'LTM04', hint = 'Use avg, sum, min, max, count, rate, last, or a percentile: p50, p99, p99.9.';
  end if;

  if fill is null or fill not in ('null', 'zero', 'previous') then
    raise exception 'unknown fill %', coalesce(fill, 'null')
      using errcode = 'LTM06', hint = 'Use null, zero or previous.';
  end if;

  if bucket is null then
    select coalesce(min(b.width) filter (where b.width * 200 >= range_end - range_start), interval '7 days') into bucket
    from unnest('{1s,10s,1min,5min,15min,1h,6h,1d,7d}'::interval[]) b(width);
  end if;
  -- The default, too: two centuries have more than 10,000 weeks.
  if extract(year from bucket) <> 0 or extract(month from bucket) <> 0
    or extract(epoch from bucket) <= 0 or extract(epoch from range_end - range_start) / extract(epoch from bucket) > 10000
  then
    raise exception 'a series from % to % cannot have buckets of %', range_start, range_end, bucket
      using errcode = 'LTM03', hint = 'A bucket must be longer than 0 and must not contain months. A series has at most 10,000 buckets.';
  end if;
  bucket := make_interval(secs => extract(epoch from bucket)::double precision);
  range_start := date_bin(bucket, range_start, v_origin);
  range_end := date_bin(bucket, range_end - interval '1 microsecond', v_origin) + bucket;
end
$$;

comment on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb) is 'The checked arguments of a query of metrics: the range in whole buckets, the bucket, and the fraction of a percentile. LTM02 to LTM06.';
grant execute on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_request.sql
