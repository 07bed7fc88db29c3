import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { Log } from '../log.ts';
import { logAlertEvent } from './check-alerts.ts';
import type { AlertEvent } from './check-alerts.ts';

/** A session that went beyond the limits of its login, as ops.end_excesses describes it. */
export interface EndedSession {
  readonly login: string;
  readonly pid: number;
  readonly reason: string;
  /** Why it could not be ended; null: it was. */
  readonly failure: string | null;
}

/**
 * Ends what analysts' logins do beyond their limits. What was ended is logged. That, a login that holds all of its connections and a
 * caller whom the API refuses raise an alert that names them, at once; with `announce`, a `send_alert` job is made of it. Needs the worker's role, and graphile-worker's schema to announce.
 */
export async function watchLogins(
  executor: Executor,
  announce: boolean,
  log: Log,
): Promise<readonly EndedSession[]> {
  // Asking is what frees a queue of notifications whose holder has ended.
  await executor.query(sql`select pg_catalog.pg_notification_queue_usage()`);
  const { rows } = await executor.query<{ ended: EndedSession }>(
    sql`select e as ended from ops.end_excesses() e`,
  );
  const ended = rows.map((row) => row.ended);
  for (const { login, pid, reason, failure } of ended) {
    const message =
      failure === null
        ? `session ${pid} of login ${login} was ended: it went beyond the limit ${reason}`
        : `session ${pid} of login ${login} went beyond the limit ${reason} and goes on: ${failure}`;
    log({ level: 'warning', event: 'session-ended', message, login, reason });
  }
  await reportAtOnce(executor, announce, log);
  return ended;
}

/** What an alert tells at once, and not at the minute's check: who presses beyond a limit may be gone by then. */
const reportedAtOnce = ['ended_sessions', 'full_logins', 'refused_callers'];

async function reportAtOnce(executor: Executor, announce: boolean, log: Log): Promise<void> {
  const { rows: events } = await executor.query<{ event: AlertEvent }>(sql`
    with events as materialized (
      select e as event from ops.report_new_findings(${reportedAtOnce}::text[]) e
    )
    select
      e.event,
      case
        when ${announce} then
          (graphile_worker.add_job('send_alert', e.event::json, queue_name => 'alerts', max_attempts => 12)).id
      end as job
    from events e`);
  for (const { event } of events) logAlertEvent(event, log);
}
