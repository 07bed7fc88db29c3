import type { Backups } from '../backup/backups.ts';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { agendaMinute, dueJobs } from './agenda.ts';
import type { DueJob, NewestBackups } from './agenda.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/**
 * Checks the age of the newest backup and drill, and queues the jobs that are due (agenda.ts), unless they are queued
 * or running. A job that failed for good is queued anew. The executor is the worker's. Returns the queued jobs.
 */
export async function scheduleBackups(
  executor: Executor,
  backups: Pick<Backups, 'buildsOnEarlier'>,
  now: Date,
): Promise<DueJob[]> {
  const { rows } = await executor.query<NewestBackups & { busy: string[] }>(sql`
    select
      (select max(started_at) from ops.backups where removed_at is null) as backup,
      (select max(started_at) from ops.backups where removed_at is null and kind = 'full') as full,
      (select max(started_at) from ops.drills) as drill,
      array(
        select task_identifier from graphile_worker.jobs where locked_at is not null or attempts < max_attempts
        union select task from ops.job_runs where outcome = 'running'
      ) as busy`);
  const [newest] = rows;
  if (!newest) throw new Error('the newest backups could not be read');
  const due = dueJobs(newest, backups, now).filter(({ task }) => !newest.busy.includes(task));
  for (const { task, payload } of due) {
    // The key makes sure that two workers that check at the same time queue one job between them.
    await executor.query(sql`
      select graphile_worker.add_job(
        ${task}, ${JSON.stringify(payload)}::json, job_key => ${`due:${task}`}, max_attempts => 3
      )`);
  }
  return due;
}

/**
 * Queues one check shortly after a start, so that jobs missed while no worker ran begin soon, but after the start
 * itself.
 */
export async function lookAfterStart(executor: Executor): Promise<void> {
  await executor.query(sql`
    select graphile_worker.add_job(
      'schedule_backups', run_at => now() + interval '10 seconds', job_key => 'schedule_backups', max_attempts => 1
    )`);
}

// Backups and drills are due by age (agenda.ts). Each start is followed by a check as well.
export const scheduleBackupsJob = defineJob({
  task: 'schedule_backups',
  does: 'begins the backup or the drill that is due by the age of the newest',
  schedule: {
    match: `${agendaMinute} * * * *`,
    everyMinutes: 60,
    options: { backfillPeriod: 0, maxAttempts: 1 },
  },
  parse: noPayload,
  run: async (_payload, _run, { executor, backups, now }) => {
    if (!backups) return null;
    const due = await scheduleBackups(executor, backups, now());
    return due.length > 0 ? `began ${due.map(({ task }) => task).join(', ')}` : null;
  },
});
