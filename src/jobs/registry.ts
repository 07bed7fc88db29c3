import { backUpJob } from './back-up.ts';
import { checkAlertsJob } from './check-alerts.ts';
import { drillJob } from './drill.ts';
import { embedKnowledgeJob } from './embed-knowledge.ts';
import { ensurePartitionsJob } from './ensure-partitions.ts';
import type { Job } from './job.ts';
import { maintainEmbeddedJob } from './maintain-embedded.ts';
import { retentionJob } from './retain.ts';
import { rollUpMetricsJob } from './roll-up-metrics.ts';
import { scheduleBackupsJob } from './schedule-backups.ts';
import { sealAuditJob } from './seal-audit.ts';
import { sendAlertJob } from './send-alert.ts';
import { sendAnchorJob } from './send-anchor.ts';
import { tendWorkflowsJob } from './tend-workflows.ts';
import { trimEventsJob } from './trim-events.ts';

/** Every kind of job. `lightning jobs run` can run any of them; those with a schedule come by themselves. */
export const jobs: readonly Job[] = [
  ensurePartitionsJob,
  embedKnowledgeJob,
  trimEventsJob,
  maintainEmbeddedJob,
  rollUpMetricsJob,
  retentionJob,
  tendWorkflowsJob,
  checkAlertsJob,
  scheduleBackupsJob,
  backUpJob,
  drillJob,
  sendAlertJob,
  sealAuditJob,
  sendAnchorJob,
];
