import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { simulateMetrics } from './simulate-metrics.ts';
import type { SimulationReport } from './simulate-metrics.ts';

// A small run; `node test/retention/year.ts` simulates a year, with ten minutes of an analyst.
describe.skipIf(noServer)('some weeks of metrics, with rollups and retention', () => {
  let fresh: MigratedDatabase;
  let report: SimulationReport;

  beforeAll(async () => {
    fresh = await migratedDatabase();
    report = await simulateMetrics({
      urls: { admin: fresh.adminUrl, api: fresh.urls.api, worker: fresh.urls.worker },
      rolePrefix: testRolePrefix,
      days: 13,
      pointsPerDay: 120,
      keepDays: { raw: 2, minute: 5, hour: 6 },
      analystSeconds: 3,
      seed: 1,
    });
  }, 180_000);
  afterAll(() => fresh?.drop());

  test('have rollups equal to a computation from all points, including late ones', () => {
    expect(report.late).toBeGreaterThan(50);
    for (const { compared, different } of Object.values(report.rollups)) {
      expect(compared).toBeGreaterThan(20);
      expect(different).toBe(0);
    }
  });

  test('keep the points that each tenant keeps, refuse earlier ones, and give receipts', () => {
    for (const { kept, expected } of Object.values(report.raw)) {
      expect(expected).toBeGreaterThan(100);
      expect(kept).toBe(expected);
    }
    expect(report.tooLate.sent).toBeGreaterThan(5);
    expect(report.tooLate.refused).toBe(report.tooLate.sent);
    const kept = Object.values(report.raw).reduce((sum, tenant) => sum + tenant.kept, 0);
    expect(report.receipts.rows).toBe(report.points + report.writer.writes - kept);
    expect(report.receipts.partitions).toBeGreaterThan(8);
  });

  test('stop growing once everything has its full age', () => {
    const partitions = report.sizes.map((size) => size.partitions);
    // Two partitions are added per day; those of the hours span a month, so none is removed in such a short time.
    expect((partitions.at(-3) ?? NaN) - (partitions[7] ?? NaN)).toBeLessThanOrEqual(4);
  });

  test('never make a writer wait for a second', () => {
    expect(report.writer.errors).toEqual([]);
    expect(report.writer.writes).toBeGreaterThan(100);
  });

  test('let only the removal of a partition wait for an analyst, and name the analyst', () => {
    const { analyst } = report;
    expect(analyst.heldMs).toBeGreaterThan(2_900);
    expect(analyst.runsThatWaited).toBeGreaterThan(0);
    expect(analyst.waitedFor.length).toBeGreaterThan(0);
    expect(analyst.shown).toEqual([`${analyst.pid} ${analyst.login}`]);
    expect(analyst.status).toMatch(
      new RegExp(
        `${analyst.waitedFor[0]} has been waiting since .* for ${analyst.login} \\(pid ${analyst.pid}\\)`,
      ),
    );
    expect(analyst.writesMeanwhile).toBeGreaterThan(10);
    expect(analyst.readsMeanwhile).toBeGreaterThan(0);
    expect(analyst.partitionsMadeMeanwhile).toBeGreaterThan(0);
    expect(analyst.removedAfter).toEqual(expect.arrayContaining([...analyst.waitedFor]));
  });
});
