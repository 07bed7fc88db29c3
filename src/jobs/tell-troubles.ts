import type { Secret } from '../config/secret.ts';
import type { Database, Executor } from '../db/database.ts';
import type { MetTrouble, ServerTroubles } from '../db/server-troubles.ts';
import { sql } from '../db/statement.ts';
import { repeat } from '../repeat.ts';
import type { Log } from '../log.ts';
import { logAlertEvent } from './check-alerts.ts';
import type { AlertEvent } from './check-alerts.ts';
import { sendAlert } from './send-alert.ts';

/** The kind of these alerts. A subject is an SQLSTATE. */
const kind = 'server_troubles';
/** A trouble that no statement met for this long is over. */
const overAfterMs = 600_000;
const tellEveryMs = 10_000;

export interface TellOptions {
  /** The database, as the worker. */
  readonly database: Database;
  /** What this process met. */
  readonly troubles: ServerTroubles;
  /** Read each time. Null: alerts are not sent. */
  readonly alertWebhook: Secret | null;
  readonly log: Log;
}

interface Finding {
  readonly subject: string;
  readonly severity: 'error';
  readonly message: string;
  readonly details: object;
}

/** Makes alerts of the server's troubles, until `stop`. */
export function keepTellingTroubles(options: TellOptions): { stop(): Promise<void> } {
  const told = new Set<string>();
  const ending = new AbortController();
  const repeating = repeat(
    () => tellTroubles(options, told, ending.signal),
    tellEveryMs,
    // A database that is away is reported by those who need it.
    () => {},
  );
  return {
    stop: async () => {
      ending.abort();
      await repeating.stop();
    },
  };
}

/**
 * Raises an alert for each trouble of the last ten minutes, and resolves those that are over. A database that has no room
 * for the alert is passed by: the log and the webhook get it from here, once, and `told` remembers it.
 */
export async function tellTroubles(
  { database, troubles, alertWebhook, log }: TellOptions,
  told: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  const own = troubles.since(new Date(Date.now() - overAfterMs)).map(findingOf);
  for (const code of told) if (!own.some(({ subject }) => subject === code)) told.delete(code);
  try {
    const events = await database.transaction({}, (executor) =>
      report(executor, own, alertWebhook === null ? null : told),
    );
    // What was told directly is now in the database as well, and is not news.
    for (const event of events)
      if (!told.has(event.alert.subject) || event.event !== 'raised') logAlertEvent(event, log);
    for (const { subject } of own) told.add(subject);
  } catch (error) {
    troubles.note(error);
    const news = troubles.since(new Date(Date.now() - overAfterMs)).map(findingOf);
    for (const finding of news.filter(({ subject }) => !told.has(subject))) {
      const event = eventOf(finding);
      told.add(finding.subject);
      logAlertEvent(event, log);
      // The log has it; a webhook that does not answer is tried again once the database takes the alert.
      if (alertWebhook) await sendAlert(alertWebhook, event, signal).catch(() => {});
    }
    if (news.length === 0) throw error;
  }
}

/** `told`: the subjects that the webhook has heard of; null: there is none. */
async function report(
  executor: Executor,
  own: readonly Finding[],
  told: ReadonlySet<string> | null,
): Promise<AlertEvent[]> {
  // Workers take turns, so that one of them raises an alert.
  await executor.query(
    sql`select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('agent_lightning troubles'))`,
  );
  const { rows: open } = await executor.query<Finding & { stale: boolean }>(sql`
    select subject, severity, message, details,
      last_seen_at < clock_timestamp() - make_interval(secs => ${overAfterMs / 1000}) as stale
    from ops.alerts where kind = ${kind} and resolved_at is null`);
  if (own.length === 0 && !open.some(({ stale }) => stale)) return [];
  // Other workers have met these.
  const others = open
    .filter(({ subject, stale }) => !stale && !own.some((finding) => finding.subject === subject))
    .map(({ subject, severity, message, details }) => ({ subject, severity, message, details }));
  const { rows } = await executor.query<{ event: AlertEvent }>(
    sql`select e as event from ops.report_alerts(${kind}, ${JSON.stringify([...own, ...others])}::jsonb) e`,
  );
  for (const { event } of rows) {
    if (told === null || (event.event === 'raised' && told.has(event.alert.subject))) continue;
    await executor.query(sql`
      select graphile_worker.add_job('send_alert', ${JSON.stringify(event)}::json, queue_name => 'alerts', max_attempts => 12)`);
  }
  return rows.map(({ event }) => event);
}

function findingOf({ code, message, lastAt }: MetTrouble): Finding {
  return {
    subject: code,
    severity: 'error',
    message: `the database reports ${code}: ${message}`,
    details: { last_at: lastAt.toISOString() },
  };
}

/** The event of an alert that the database could not take. */
function eventOf({ subject, severity, message, details }: Finding): AlertEvent {
  const now = new Date().toISOString();
  return {
    event: 'raised',
    text: `${severity} ${kind}: ${message}`,
    alert: {
      id: 0,
      kind,
      subject,
      severity,
      message,
      details,
      raised_at: now,
      last_seen_at: now,
      resolved_at: null,
    },
  };
}
