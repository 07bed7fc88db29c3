-- A change of an alert, as the log and the webhook report it. Chat programs show `text`.
create or replace function ops.alert_event(event text, alert ops.alerts) returns jsonb
language sql stable
return jsonb_build_object(
  'event', event,
  'text', format('%s %s: %s', case event when 'resolved' then 'resolved' else alert.severity end, alert.kind, alert.message),
  'alert', to_jsonb(alert)
);

comment on function ops.alert_event(text, ops.alerts) is 'A change of an alert: {event, text, alert}.';
grant execute on function ops.alert_event(text, ops.alerts) to :WORKER;
