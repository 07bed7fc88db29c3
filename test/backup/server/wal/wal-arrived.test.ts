import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveWal } from '../../../../src/backup/server/wal/wal-archive.ts';
import { walArrived } from '../../../../src/backup/server/wal/wal-arrived.ts';
import { S3Store } from '../../../../src/backup/store/s3-store.ts';
import { makeVault } from '../../../../src/backup/vault.ts';
import type { Vault } from '../../../../src/backup/vault.ts';
import { startS3StandIn } from '../../../support/s3-stand-in.ts';
import type { S3StandIn } from '../../../support/s3-stand-in.ts';

const segment = (number: number) => `0000000100000000${number.toString(16).toUpperCase().padStart(8, '0')}`;
/** The segments in the archive before each test: five pages of the stand-in's listing. */
const archived = 240;
const needed = segment(archived);
let storage: S3StandIn;
let vault: Vault;

const archive = (kind: 'segment' | 'partial', file: string) =>
  archiveWal(vault, '7', { kind, file, content: Buffer.from(file), now: new Date() });

beforeAll(async () => {
  storage = await startS3StandIn();
});
afterAll(() => storage?.stop());

/** An archive of `archived` segments, and what is asked of the storage from then on. */
async function filled(): Promise<() => string[]> {
  const location = storage.location();
  if (location.kind !== 's3') throw new Error('the stand-in is not S3');
  vault = makeVault(new S3Store(location), null);
  for (let number = 0; number < archived; number += 1) await archive('segment', segment(number));
  const before = storage.requests.length;
  return () => storage.requests.slice(before).map(({ line }) => line);
}

test('costs one request a look, and fewer and fewer looks, however much WAL is in the archive', async () => {
  const asked = await filled();
  const waiting = walArrived(vault, '7', needed, { timeoutMs: 60_000 });
  await sleep(3_500);
  // Neither the beginning of the segment nor the next segment is the segment.
  await archive('partial', needed);
  await archive('segment', segment(archived + 1));
  await archive('segment', needed);
  expect(await waiting).toBe(true);
  const looks = asked().filter((line) => line.startsWith('GET '));
  // Looks after 0, 0.2, 0.5, 0.95, 1.6, 2.6 and 4.2 s. A look each 200 ms would make eighteen, of five pages each.
  expect(looks.length).toBeGreaterThan(3);
  expect(looks.length).toBeLessThanOrEqual(8);
  for (const line of looks) expect(line).toContain(encodeURIComponent(`${needed}-`));
}, 30_000);

test('is bounded, and gives up at the deadline', async () => {
  await filled();
  await archive('partial', needed);
  await archive('segment', segment(archived + 1));
  const pauses: number[] = [];
  const before = performance.now();
  const arrived = await walArrived(vault, '7', needed, {
    timeoutMs: 700,
    onPause: () => pauses.push(performance.now() - before),
  });
  expect(arrived).toBe(false);
  expect(performance.now() - before).toBeGreaterThanOrEqual(700);
  expect(performance.now() - before).toBeLessThan(3_000);
  expect(pauses.length).toBeGreaterThan(1);
});

test('ends at once when it is told to', async () => {
  await filled();
  const stopping = new AbortController();
  setTimeout(() => stopping.abort(), 300);
  const before = performance.now();
  await expect(
    walArrived(vault, '7', needed, { timeoutMs: 60_000, signal: stopping.signal }),
  ).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  expect(performance.now() - before).toBeLessThan(2_000);
});
