import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { OnRunEnded } from '../jobs/run-jobs.ts';

/** Seconds: a look takes milliseconds, a backup hours. */
const buckets = [0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600, 14_400];

/** Counts the runs of this process's worker. There are as many labels as jobs in src/jobs/registry.ts. */
export function countRuns(registry: Registry): OnRunEnded {
  const registers = [registry];
  const runs = new Counter({
    name: 'lightning_job_runs_total',
    help: 'Runs of jobs in this process, by outcome: succeeded, idle (nothing to do), failed, waiting (it comes again), stopped.',
    labelNames: ['job', 'outcome'],
    registers,
  });
  const durations = new Histogram({
    name: 'lightning_job_run_duration_seconds',
    help: 'Time that runs of jobs took in this process.',
    labelNames: ['job'],
    buckets,
    registers,
  });
  return ({ task, outcome, durationMs }) => {
    runs.inc({ job: task, outcome });
    durations.observe({ job: task }, durationMs / 1000);
  };
}
