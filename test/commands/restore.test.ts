import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lightning } from '../support/lightning.ts';

describe('lightning restore', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lightning-restore-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));
  const restore = (to: string) =>
    lightning(['restore', '--to', to, '--into', join(directory, 'restored')], {
      DATA_DIR: join(directory, 'data'),
    });

  test.each(['2026-11-31T00:00:00Z', '2026-11-29T24:00:00Z', '2026-02-29 12:00:00+00', '2026-11-29'])(
    'refuses --to %s before it looks for backups: that is not a moment',
    async (to) => {
      const { status, stderr } = await restore(to);
      expect([status, stderr]).toEqual([
        2,
        expect.stringContaining(`--to is "${to}"; expected latest, an existing time`),
      ]);
      expect(await readdir(directory)).toEqual([]);
    },
  );

  test('takes a moment as Postgres prints it, and keeps its microseconds', async () => {
    const { stderr } = await restore('2026-11-29 12:00:00.123456+00');
    expect(stderr).not.toContain('--to is');
  });
});
