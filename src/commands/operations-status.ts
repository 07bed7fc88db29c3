import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { line } from '../status-line.ts';
import type { StatusLine } from '../status-line.ts';

interface Run {
  readonly task: string;
  readonly progress: number | null;
  readonly note: string | null;
  readonly running_for: string;
  readonly process: string;
}

interface Alert {
  readonly kind: string;
  readonly severity: 'warning' | 'error';
  readonly message: string;
}

/**
 * The worker's state: live workers, running jobs with their progress, the queue, and what is wrong. There is a
 * line for each run and for each open alert. Only alerts of severity error, and overdue jobs without a worker,
 * ask for a fix.
 */
export async function operationsStatus(executor: Executor): Promise<StatusLine[]> {
  try {
    return await readOperations(executor);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [
      line('operations', false, reason, 'check WORKER_DATABASE_URL or, without it, MIGRATE_DATABASE_URL'),
    ];
  }
}

async function readOperations(executor: Executor): Promise<StatusLine[]> {
  const { rows: workers } = await executor.query<{ process: string; since: string }>(sql`
    select host || ':' || pid as process, to_char(started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as since
    from ops.workers
    where stopped_at is null and lost_at is null and seen_at > clock_timestamp() - interval '1 minute'
    order by started_at`);
  const { rows: states } = await executor.query<{ state: string; count: number; overdue: boolean }>(sql`
    select state, count(*)::int as count, bool_or(state = 'waiting' and due_at < now() - interval '5 minutes') as overdue
    from ops.jobs group by state`);
  const { rows: runs } = await executor.query<Run>(sql`
    select task, progress, note, running_for::text, process from ops.running order by started_at`);
  const { rows: alerts } = await executor.query<Alert>(sql`
    select kind, severity, message from ops.alerts where resolved_at is null order by severity, kind, subject`);

  const count = (state: string) => states.find((row) => row.state === state)?.count ?? 0;
  const alive = workers.map(({ process, since }) => `${process} since ${since}`).join(', ');
  const isOverdue = states.some(({ overdue }) => overdue);
  return [
    line('workers', workers.length > 0 || !isOverdue, alive || 'none is running', 'lightning work'),
    line(
      'jobs',
      true,
      `${count('waiting')} waiting, ${count('running')} running, ${count('failed')} failed for good`,
    ),
    ...runs.map((run) => line('running', true, inWords(run))),
    ...alerts.map(({ kind, severity, message }) =>
      line(
        severity === 'error' ? 'alert' : 'warning',
        severity !== 'error',
        `${kind}: ${message}`,
        `docs/worker.md says what to do about ${kind}`,
      ),
    ),
  ];
}

/** A run in one line. */
function inWords({ task, progress, note, running_for: runningFor, process }: Run): string {
  const done = progress === null ? '' : ` ${Math.floor(progress * 100)} %`;
  return `${task}${done} for ${runningFor} on ${process}${note === null ? '' : `: ${note}`}`;
}
