-- Checks for problems: reads every view ops.check_<kind> (subject, severity, message, details), and returns the events of
-- alerts that were raised, changed or resolved. To add a check, add a view. A view that fails raises an alert of its own,
-- and the others are read all the same. Definer: nobody writes alerts by hand.
create or replace function ops.check_alerts() returns setof jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_check name;
  v_findings jsonb;
  v_broken jsonb := '[]';
begin
  for v_check in
    select c.relname
    from pg_class c
    where c.relnamespace = 'ops'::regnamespace and c.relkind = 'v' and c.relname like 'check\_%'
    order by c.relname
  loop
    begin
      execute format(
        $query$
          select coalesce(jsonb_agg(jsonb_build_object(
            'subject', f.subject, 'severity', f.severity, 'message', f.message, 'details', f.details
          )), '[]')
          from ops.%I f
        $query$,
        v_check
      ) into v_findings;
      return query select e from ops.report_alerts(substr(v_check, 7), v_findings) e;
    exception
      when others then
        v_broken := v_broken || jsonb_build_object(
          'subject', v_check, 'severity', 'error', 'message', format('ops.%s failed: %s', v_check, sqlerrm),
          'details', '{}'::jsonb
        );
    end;
  end loop;
  return query select e from ops.report_alerts('checks', v_broken) e;
end
$$;

comment on function ops.check_alerts() is 'Reads every view ops.check_<kind>, and returns the events of alerts that were raised, changed or resolved.';
grant execute on function ops.check_alerts() to :WORKER;
