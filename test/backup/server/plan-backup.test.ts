import { expect, test } from 'vitest';
import type { ReadManifest, ServerPosition } from '../../../src/backup/manifest.ts';
import { planBackup } from '../../../src/backup/server/plan-backup.ts';
import type { PlanOptions } from '../../../src/backup/server/plan-backup.ts';

const position: ServerPosition = {
  systemIdentifier: '7400000000000000001',
  timeline: 1,
  startLsn: '0/2000028',
  endLsn: '0/2000120',
  version: '17.12',
  segmentBytes: 16_777_216,
};
const server = { ...position, summarizesWal: true, now: new Date('2026-11-27T12:00:00Z') };
const full = backup('full', '2026-11-26T12:00:00.000Z');
const incremental = backup('incremental', '2026-11-27T02:00:00.000Z', full);
const usual: PlanOptions = {
  requested: 'auto',
  backups: [incremental, full],
  missingKeys: new Set(),
  server,
};

test('the next backup builds on the newest, in whatever order they are listed', () => {
  expect(planBackup(usual)).toEqual({ kind: 'incremental', parent: incremental, why: expect.any(String) });
});

test.each<[why: RegExp, changed: Partial<PlanOptions>]>([
  [/it was asked for/, { requested: 'full' }],
  [/no backup to build on yet/, { backups: [] }],
  [/of another cluster \(system identifier 74/, { server: { ...server, systemIdentifier: '1' } }],
  [/promoted since \S+: timeline 2, not 1/, { server: { ...server, timeline: 2 } }],
  [/upgraded since \S+: 17\.13, which was 17\.12/, { server: { ...server, version: '17.13' } }],
  [/summarize_wal is off/, { server: { ...server, summarizesWal: false } }],
  [/full is missing from the store|base of full/, { missingKeys: new Set(['base of full']) }],
  [/^full, which incremental builds on, is missing/, { backups: [incremental] }],
  [/is 8 days old/, { server: { ...server, now: new Date('2026-12-04T13:00:00Z') } }],
])('it is full because %s', (why, changed) => {
  expect(planBackup({ ...usual, ...changed })).toEqual({ kind: 'full', why: expect.stringMatching(why) });
});

test('a backup requested as incremental is incremental, however old the full one', () => {
  const later = { ...server, now: new Date('2026-12-04T13:00:00Z') };
  expect(planBackup({ ...usual, requested: 'incremental', server: later }).kind).toBe('incremental');
});

function backup(kind: 'full' | 'incremental', at: string, parent?: ReadManifest): ReadManifest {
  const key = `base of ${kind}`;
  return {
    id: kind,
    key: kind,
    manifestSha256: kind,
    signature: undefined,
    manifest: {
      format: 1,
      id: kind,
      kind,
      parent: parent ? { id: parent.id, manifestSha256: parent.manifestSha256 } : null,
      startedAt: at,
      endedAt: at,
      objects: [{ key, bytes: 1, storedBytes: 1, sha256: '', role: 'base' }],
      server: position,
      embedded: null,
    },
  };
}
