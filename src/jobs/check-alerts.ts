import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { Log } from '../log.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/** What happened to an alert, as ops.alert_event has it. */
export interface AlertEvent {
  readonly event: 'raised' | 'changed' | 'resolved';
  /** For people, one line. */
  readonly text: string;
  readonly alert: {
    readonly id: number;
    readonly kind: string;
    readonly subject: string;
    readonly severity: 'warning' | 'error';
    readonly message: string;
    readonly details: object;
    readonly raised_at: string;
    readonly last_seen_at: string;
    readonly resolved_at: string | null;
  };
}

/**
 * Looks whether something is wrong (ops.check_alerts), and says in the log which alerts were raised, changed or resolved.
 * With `announce` a job of task `send_alert` is made for each, in the same transaction: none is forgotten, whatever happens
 * to this process. Needs graphile-worker's schema, as the worker.
 */
export async function checkAlerts(executor: Executor, announce: boolean, log: Log): Promise<AlertEvent[]> {
  const { rows } = await executor.query<{ event: AlertEvent }>(sql`
    with events as materialized (
      select e as event from ops.check_alerts() e
    )
    select
      e.event,
      case
        when ${announce} then
          (graphile_worker.add_job('send_alert', e.event::json, queue_name => 'alerts', max_attempts => 12)).id
      end as job
    from events e`);
  for (const { event } of rows) {
    const { kind, subject, severity } = event.alert;
    const level = event.event === 'resolved' ? 'info' : severity;
    log({ level, event: `alert-${event.event}`, message: event.text, kind, subject });
  }
  return rows.map(({ event }) => event);
}

// Before all others: it is what notices that they come late.
export const checkAlertsJob = defineJob({
  task: 'check_alerts',
  does: 'looks whether something is wrong, and raises and resolves alerts',
  schedule: {
    match: '* * * * *',
    everyMinutes: 1,
    options: { backfillPeriod: 0, maxAttempts: 1, priority: -10 },
  },
  parse: noPayload,
  lock: 'check_alerts',
  expectedMinutes: 5,
  run: async (_payload, _run, { executor, alertWebhook, log }) => {
    const events = await checkAlerts(executor, alertWebhook !== null, log);
    return events.length > 0 ? events.map(({ event, text }) => `${event}: ${text}`).join('; ') : null;
  },
});
