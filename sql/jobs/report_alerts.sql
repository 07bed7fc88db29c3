-- Brings the alerts of a kind in line with the current findings, a list of {subject, severity, message, details}. Raises
-- new ones and resolves those that are gone. Returns an event, for the log and the webhook, for each alert that was raised,
-- changed its severity or was resolved. Definer: nobody writes the table by hand.
create or replace function ops.report_alerts(of_kind text, findings jsonb) returns setof jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_before jsonb;
  v_alert ops.alerts;
  v_severity text;
begin
  select coalesce(jsonb_object_agg(a.subject, a.severity), '{}') into v_before
  from ops.alerts a
  where a.kind = of_kind and a.resolved_at is null;

  for v_alert in
    insert into ops.alerts (kind, subject, severity, message, details)
    select of_kind, f.subject, f.severity, f.message, coalesce(f.details, '{}')
    from jsonb_to_recordset(findings) f(subject text, severity text, message text, details jsonb)
    order by f.subject
    on conflict (kind, subject) where resolved_at is null do update
    set
      severity = excluded.severity, message = excluded.message, details = excluded.details,
      last_seen_at = clock_timestamp()
    returning *
  loop
    v_severity := v_before ->> v_alert.subject;
    if v_severity is distinct from v_alert.severity then
      return next ops.alert_event(case when v_severity is null then 'raised' else 'changed' end, v_alert);
    end if;
  end loop;

  for v_alert in
    update ops.alerts a
    set resolved_at = clock_timestamp()
    where a.kind = of_kind and a.resolved_at is null
      and not exists (select from jsonb_array_elements(findings) f where f ->> 'subject' = a.subject)
    returning *
  loop
    return next ops.alert_event('resolved', v_alert);
  end loop;
end
$$;

comment on function ops.report_alerts(text, jsonb) is 'Brings the alerts of a kind in line with the current findings, a list of {subject, severity, message, details}. Returns an event {event, text, alert} for each that was raised, changed its severity or was resolved.';
grant execute on function ops.report_alerts(text, jsonb) to :WORKER;
