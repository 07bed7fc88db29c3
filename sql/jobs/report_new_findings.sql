-- Brings the alerts of some kinds in line with their checks now, if a check finds what has no open alert yet. Returns the events, as
-- ops.check_alerts does. For who looks every few seconds: without a new finding nothing is written, and ops.check_alerts resolves.
-- Definer: nobody writes alerts by hand.
create or replace function ops.report_new_findings(kinds text[]) returns setof jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_kind text;
  v_findings jsonb;
begin
  for v_kind in
    select substr(c.relname, 7)
    from pg_class c
    where c.relnamespace = 'ops'::regnamespace and c.relkind = 'v' and c.relname = any (select 'check_' || k from unnest(kinds) k)
    order by c.relname
  loop
    execute format('select jsonb_agg(to_jsonb(f)) from ops.%I f', 'check_' || v_kind) into v_findings;
    if exists (
      select
      from jsonb_array_elements(v_findings) f
      where not exists (
        select from ops.alerts a where a.kind = v_kind and a.subject = f ->> 'subject' and a.resolved_at is null
      )
    ) then
      return query select e from ops.report_alerts(v_kind, v_findings) e;
    end if;
  end loop;
end
$$;

comment on function ops.report_new_findings(text[]) is 'Brings the alerts of these kinds in line with their checks, if a check finds what has no open alert yet. Returns events as ops.check_alerts does.';
grant execute on function ops.report_new_findings(text[]) to :WORKER;
