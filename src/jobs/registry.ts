import type { Secret } from '../config/secret.ts';
import type { Executor } from '../db/database.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import type { Log } from '../log.ts';
import { backUpPayload, backupLock } from './back-up.ts';
import type { BackUp } from './back-up.ts';
import { drillLock } from './drill.ts';
import type { Drill } from './drill.ts';
import type { AsKeeper } from '../retention/keeper.ts';
import { checkAlerts } from './check-alerts.ts';
import { embedKnowledge } from './embed-knowledge.ts';
import { ensurePartitions } from './ensure-partitions.ts';
import { defineJob } from './job.ts';
import type { Jobs } from './job.ts';
import { maintainEmbedded } from './maintain-embedded.ts';
import { noPayload, payloadMembers } from './payload.ts';
import { retain, retentionLock } from './retain.ts';
import { rollUpMetrics } from '../retention/roll-up-metrics.ts';
import type { RolledUp } from '../retention/roll-up-metrics.ts';
import { scheduleBackups } from './schedule-backups.ts';
import { sendAlert } from './send-alert.ts';
import { tendWorkflows } from './tend-workflows.ts';
import { trimEvents } from './trim-events.ts';

/** What jobs work with. */
export interface JobResources {
  /** As the worker. */
  readonly executor: Executor;
  readonly kind: 'embedded' | 'server';
  /** Null: knowledge without an embedding stays without one. */
  readonly embed: Embed | null;
  /** Null: alerts are sent nowhere. */
  readonly alertWebhook: Secret | null;
  /** Left out or null: nothing says where to. */
  readonly backUp?: BackUp | null;
  /** Left out or null: there are no backups to prove. */
  readonly drill?: Drill | null;
  /** Without it nothing is removed. */
  readonly asKeeper?: AsKeeper;
  readonly log: Log;
  /** By which it is seen what is due. Left out: the system's clock. */
  readonly now?: () => Date;
}

/** Every kind of job. When they run by themselves stands in crontab.ts; any of them can be run by `lightning jobs run`. */
export function makeJobs({
  executor,
  kind,
  embed,
  alertWebhook,
  backUp = null,
  drill = null,
  asKeeper,
  log,
  now = () => new Date(),
}: JobResources): Jobs {
  return {
    ensure_partitions: defineJob({
      does: 'makes the partitions of the coming weeks',
      parse: noPayload,
      run: async () => {
        const made = await ensurePartitions(executor);
        return made.length > 0 ? `made ${made.join(', ')}` : null;
      },
    }),
    embed_knowledge: defineJob({
      does: 'embeds the knowledge that has no embedding',
      parse: noPayload,
      // Two would pay for the same embeddings.
      lock: 'embed_knowledge',
      expectedMinutes: 60,
      run: async (_, run) => {
        if (!embed) return null;
        const { embedded, refused } = await embedKnowledge(executor, embed, run.signal, (done) =>
          run.progress(null, `${done} items so far`),
        );
        if (embedded + refused === 0) return null;
        return `embedded ${embedded} items of knowledge; the endpoint refused ${refused}`;
      },
    }),
    trim_events: defineJob({
      does: 'removes from the outbox of live updates what everybody had time to read',
      parse: noPayload,
      run: async () => {
        const removed = await trimEvents(executor);
        return removed > 0 ? `removed ${removed} events` : null;
      },
    }),
    maintain_embedded: defineJob({
      does: 'vacuums an embedded database, which has no autovacuum',
      parse: noPayload,
      run: async () => {
        if (kind === 'server') return null;
        await maintainEmbedded(executor);
        return 'vacuumed and analyzed all tables';
      },
    }),
    roll_up_metrics: defineJob({
      does: 'rolls up the metrics that came in or changed',
      parse: noPayload,
      lock: 'roll_up_metrics',
      expectedMinutes: 60,
      run: async (_, run) => {
        const inWords = ({ minutes, hours, days }: RolledUp) =>
          `${minutes} minutes, ${hours} hours and ${days} days`;
        const done = await rollUpMetrics(executor, {
          signal: run.signal,
          onProgress: (sofar) => run.progress(null, `${inWords(sofar)} so far`),
        });
        return done.minutes + done.hours + done.days > 0 ? `rolled up ${inWords(done)}` : null;
      },
    }),
    retention: defineJob({
      does: 'removes what the policies of retention do not keep',
      parse: noPayload,
      lock: retentionLock,
      expectedMinutes: 60,
      run: async (_, run) => {
        if (!asKeeper) return null;
        const lines = await retain({ executor, asKeeper }, new Date(), run);
        return lines.length > 0 ? lines.join('; ') : null;
      },
    }),
    tend_workflows: defineJob({
      does: 'ends the steps of workflows that took too long',
      parse: noPayload,
      run: async (_, run) => {
        const count = await tendWorkflows(executor, run.signal);
        return count > 0 ? `went on with ${count} workflows` : null;
      },
    }),
    check_alerts: defineJob({
      does: 'looks whether something is wrong, and raises and resolves alerts',
      parse: noPayload,
      lock: 'check_alerts',
      expectedMinutes: 5,
      run: async () => {
        const events = await checkAlerts(executor, alertWebhook !== null, log);
        return events.length > 0 ? events.map(({ event, text }) => `${event}: ${text}`).join('; ') : null;
      },
    }),
    schedule_backups: defineJob({
      does: 'begins the backup or the drill that is due by the age of the newest',
      parse: noPayload,
      run: async () => {
        const tasks = [...(backUp ? (['back_up'] as const) : []), ...(drill ? (['drill'] as const) : [])];
        const due = await scheduleBackups({ executor, kind, tasks }, now());
        return due.length > 0 ? `began ${due.map(({ task }) => task).join(', ')}` : null;
      },
    }),
    back_up: defineJob({
      does: 'backs the database up, and removes the backups that are not needed any more',
      parse: backUpPayload,
      lock: backupLock,
      expectedMinutes: 360,
      run: async (requested, run) => (backUp ? backUp(requested, run) : null),
    }),
    drill: defineJob({
      does: 'proves the newest backups by restoring them and comparing every row',
      parse: noPayload,
      lock: drillLock,
      expectedMinutes: 360,
      run: async (_, run) => (drill ? drill(run) : null),
    }),
    send_alert: defineJob({
      does: 'sends an alert to the webhook',
      parse: (payload) => payloadMembers(payload, ['event', 'text', 'alert']),
      run: async (event, run) => {
        if (alertWebhook === null) return 'sent nothing: ALERT_WEBHOOK_URL is not set any more';
        run.progress(null, `sends ${String(event.text)}`);
        await sendAlert(alertWebhook, event, run.signal);
        return `sent ${String(event.text)}`;
      },
    }),
  };
}
