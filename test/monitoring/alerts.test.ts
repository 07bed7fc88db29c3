import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { lacks } from '../support/lacks.ts';

const rules = fileURLToPath(new URL('../../docs/prometheus/alerts.yml', import.meta.url));

/** Series as promtool writes them, a value a minute: what raises the alert, and what looks like it and does not. */
interface Example {
  readonly wrong: Readonly<Record<string, string>>;
  readonly right: Readonly<Record<string, string>>;
}

/** The same value for an hour. */
const always = (value: number): string => `${value}+0x60`;
/** A series that has one of these two values. */
const either = (series: string, wrong: number, right: number): Example => ({
  wrong: { [series]: always(wrong) },
  right: { [series]: always(right) },
});
const requests = (status: string) =>
  `lightning_http_requests_total{instance="a",method="GET",route="/x",status="${status}"}`;
const bucket = (le: string) => `lightning_http_request_duration_seconds_bucket{instance="a",le="${le}"}`;

const examples: Readonly<Record<string, Example>> = {
  LightningDown: either('up{job="lightning",instance="a"}', 0, 1),
  LightningErrors: {
    wrong: { [requests('2xx')]: '0+98x60', [requests('5xx')]: '0+2x60' },
    right: { [requests('2xx')]: '0+1000x60', [requests('5xx')]: '0+1x60' },
  },
  LightningSlow: {
    wrong: { [bucket('0.5')]: '0+97x60', [bucket('1')]: '0+100x60', [bucket('+Inf')]: '0+100x60' },
    right: { [bucket('0.5')]: '0+100x60', [bucket('1')]: '0+100x60', [bucket('+Inf')]: '0+100x60' },
  },
  LightningPoolWaits: either('lightning_pool_waiting{pool="api"}', 3, 0),
  LightningPoolTimeouts: {
    wrong: { 'lightning_pool_timeouts_total{pool="api"}': '0+1x60' },
    right: { 'lightning_pool_timeouts_total{pool="api"}': always(7) },
  },
  LightningQueueOld: either('lightning_queue_longest_wait_seconds{priority="low"}', 4_000, 3_000),
  LightningQueueLong: either('lightning_queue_waiting_tasks{priority="low"}', 100_000, 99_999),
  LightningLeasesExpired: either('lightning_queue_expired_leases{priority="low"}', 1, 0),
  LightningNoWorker: { wrong: {}, right: { lightning_workers: always(1) } },
  LightningJobLate: {
    wrong: {
      'lightning_job_last_success_timestamp_seconds{job="retention"}': always(-6_000),
      'lightning_job_interval_seconds{job="retention"}': always(3_600),
    },
    right: {
      'lightning_job_last_success_timestamp_seconds{job="retention"}': always(0),
      'lightning_job_interval_seconds{job="retention"}': always(3_600),
    },
  },
  LightningBackupOld: either('lightning_backup_newest_timestamp_seconds', -110_000, -100_000),
  LightningDrillFailed: either('lightning_drill_newest_passed', 0, 1),
  LightningWalWaits: either('lightning_wal_receiver_kept_bytes{slot="one"}', 2e9, 1e9),
  LightningWalUnreceived: {
    wrong: { 'lightning_wal_receiver_seen_timestamp_seconds{slot="one"}': always(0) },
    right: { 'lightning_wal_receiver_seen_timestamp_seconds{slot="one"}': '0+60x60' },
  },
  LightningSlotRetains: either('lightning_replication_slot_retained_bytes{slot="one"}', 5e9, 1e9),
  LightningReplicaBehind: either('lightning_replication_lag_seconds{replica="two"}', 61, 59),
  LightningSealingBehind: either('lightning_audit_sealing_lag_seconds', 601, 599),
  LightningEventLoopLate: either('nodejs_eventloop_lag_p99_seconds{instance="a"}', 0.6, 0.4),
  LightningMemory: either('process_resident_memory_bytes{job="lightning",instance="a"}', 3e9, 1e9),
  LightningDatabaseGrows: {
    wrong: { lightning_database_size_bytes: '2000000000+0x29 3000000000+0x1500' },
    right: { lightning_database_size_bytes: '2000000000+0x29 2500000000+0x1500' },
  },
  LightningAlert: either('lightning_alerts_open{kind="backups"}', 1, 0),
  LightningBlind: either('lightning_collector_up{collector="queue"}', 0, 1),
};

describe.skipIf(lacks('prometheus'))('the rules of docs/prometheus/alerts.yml', () => {
  test('each has an example, says what to do, and how bad it is', async () => {
    const text = await readFile(rules, 'utf8');
    const names = [...text.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    expect(names.toSorted()).toEqual(Object.keys(examples).toSorted());
    for (const member of ['what_to_do:', 'summary:', 'severity:'])
      expect(text.split(member)).toHaveLength(names.length + 1);
  });

  test('each fires for what is wrong and stays silent for what is not, as promtool runs them', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'lightning-rules-'));
    try {
      const minute = (name: string): string => (name === 'LightningDatabaseGrows' ? '1460m' : '30m');
      const cases = Object.entries(examples).flatMap(([name, { wrong, right }]) =>
        ([wrong, right] as const).map((series, i) => ({
          interval: '1m',
          name: `${name} ${i === 0 ? 'fires' : 'is silent'}`,
          input_series: Object.entries(series).map(([each, values]) => ({ series: each, values })),
          promql_expr_test: [
            {
              expr: `count(ALERTS{alertname="${name}",alertstate="firing"})`,
              eval_time: minute(name),
              exp_samples: i === 0 ? [{ labels: '{}', value: 1 }] : [],
            },
          ],
        })),
      );
      const file = path.join(directory, 'tests.yml');
      // JSON is YAML.
      await writeFile(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '1m', tests: cases }));
      expect(execFileSync('promtool', ['test', 'rules', file], { encoding: 'utf8' })).toContain('SUCCESS');
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
