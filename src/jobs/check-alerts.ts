import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { Log } from '../log.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';
import { reportQueue } from './report-queue.ts';

/** A change of an alert, as ops.alert_event describes it. */
export interface AlertEvent {
  readonly event: 'raised' | 'changed' | 'resolved';
  /** One line for people. */
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
 * Checks whether anything is wrong (ops.check_alerts), and logs the alerts that were raised, changed or
 * resolved. With `announce`, a `send_alert` job is made for each of them in the same transaction, so none is
 * forgotten, whatever happens to this process. Needs graphile-worker's schema and the worker's role.
 */
export async function checkAlerts(executor: Executor, announce: boolean, log: Log): Promise<AlertEvent[]> {
  // The checks run as the owner, who sees the queue as it was reported.
  await reportQueue(executor);
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
  for (const { event } of rows) logAlertEvent(event, log);
  return rows.map(({ event }) => event);
}

/** Logs that an alert was raised, changed or resolved. */
export function logAlertEvent({ event, text, alert }: AlertEvent, log: Log): void {
  const { kind, subject, severity } = alert;
  const level = event === 'resolved' ? 'info' : severity;
  log({ level, event: `alert-${event}`, message: text, kind, subject });
}

// Its priority is the highest, because it is the job that notices when jobs come late.
export const checkAlertsJob = defineJob({
  task: 'check_alerts',
  does: 'checks whether anything is wrong, and raises and resolves alerts',
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
