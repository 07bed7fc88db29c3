-- Notes callers that the API refused: a list of {caller, what, count}. The processes of the API call it every few seconds while they
-- refuse somebody. It keeps the thousand newest rows, for a day, whoever calls it how often: the login of the API may be stolen.
-- Definer: nobody writes the table by hand.
create or replace function ops.note_refusals(refusals jsonb) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  -- In one order, so that two processes wait for each other and do not deadlock.
  insert into ops.refused_callers (caller, what, count)
  select r.caller, r.what, r.count::bigint
  from (
    select left(f.caller, 300) as caller, left(f.what, 100) as what, sum(least(greatest(f.count, 1), 1000000)) as count
    from jsonb_to_recordset(note_refusals.refusals) f(caller text, what text, count bigint)
    where f.caller is not null and f.what is not null
    group by 1, 2
  ) r
  order by r.caller, r.what
  limit 1000
  on conflict on constraint refused_callers_pkey do update
  set count = refused_callers.count + excluded.count, last_at = clock_timestamp();

  delete from ops.refused_callers r
  using (
    select o.caller, o.what
    from ops.refused_callers o
    where o.last_at < clock_timestamp() - interval '1 day'
      or o.ctid in (select n.ctid from ops.refused_callers n order by n.last_at desc offset 1000)
    for update skip locked
  ) old
  where r.caller = old.caller and r.what = old.what;
end;

comment on function ops.note_refusals(jsonb) is 'Notes callers that the API refused: a list of {caller, what, count}. Keeps the thousand newest, for a day.';
grant execute on function ops.note_refusals(jsonb) to :ANON;
