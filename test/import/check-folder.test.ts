import { execFileSync } from 'node:child_process';
import { mkdir, open, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { noServer } from '../support/server.ts';
import { importProcess } from './import-process.ts';
import type { ImportProcess } from './import-process.ts';

const mebibyte = 1024 * 1024;

describe.skipIf(noServer)('lightning import of a folder of the legacy system, as a process', () => {
  let bench: ImportProcess;
  let folder: string;
  beforeAll(async () => {
    bench = await importProcess();
    folder = path.join(bench.folder, 'legacy');
  }, 120_000);
  afterAll(() => bench?.close(), 60_000);
  // A good definition beside what is wrong: it is not imported either.
  beforeEach(async () => {
    await rm(folder, { recursive: true, force: true });
    for (const name of ['.agent-configs', '.agent-knowledge', 'exports'])
      await mkdir(path.join(folder, name), { recursive: true });
    await writeFile(path.join(folder, '.agent-configs/a.json'), JSON.stringify({ name: 'a', model: 'm' }));
  });

  it.each(['.agent-configs/x.json', '.agent-knowledge/x.json', 'exports/x.csv', 'agentlightning.db'])(
    'refuses a link out of the folder, a pipe and a device in place of %s',
    async (name) => {
      const file = path.join(folder, name);
      await writeFile(path.join(bench.folder, 'outside'), '[]');
      for (const [make, reason] of [
        [() => symlink(path.join(bench.folder, 'outside'), file), 'is a link that leads out of its folder'],
        [() => symlink('/dev/zero', file), 'is a link that leads out of its folder'],
        [() => symlink('nowhere', file), 'cannot be read: it does not exist'],
        [() => execFileSync('mkfifo', [file]), 'is a pipe; expected a file'],
      ] as const) {
        await make();
        expect(await bench.problemOf(['legacy'])).toContain(`${name} ${reason}`);
        await rm(file);
      }
    },
    60_000,
  );

  it('refuses a folder that is a link out of it', async () => {
    await mkdir(path.join(bench.folder, 'elsewhere'), { recursive: true });
    await writeFile(path.join(bench.folder, 'elsewhere/x.json'), '[]');
    await symlink('../elsewhere', path.join(folder, '.agent-memory'));
    expect(await bench.problemOf(['legacy'])).toContain(
      '.agent-memory is a link that leads out of its folder',
    );
  }, 60_000);

  it('refuses a line of 1 GB, and a file that is larger than memory should hold', async () => {
    const file = path.join(folder, '.agent-knowledge/a.json');
    const handle = await open(file, 'w');
    await handle.write('[{"id":"x","content":"');
    for (let i = 0; i < 64; i += 1) await handle.write(Buffer.alloc(16 * mebibyte, 'x'));
    await handle.close();
    expect(await bench.problemOf(['legacy'])).toMatch(
      /\.agent-knowledge\/a\.json has \d+ bytes; expected 268435456 at most/,
    );
    await rm(file);
    const database = path.join(folder, 'agentlightning.db');
    await writeFile(database, 'SQLite format 3\0');
    await truncate(database, 1025 * mebibyte);
    expect(await bench.problemOf(['legacy'])).toMatch(
      /agentlightning\.db has \d+ bytes; expected 1073741824 at most/,
    );
  }, 120_000);

  it('names what is compressed, and unpacks nothing', async () => {
    await writeFile(path.join(folder, 'exports/bomb.gz'), gzipSync(Buffer.alloc(200 * mebibyte)));
    const { status, stdout, memory } = await bench.run(['legacy', '--dry-run']);
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('left out, because they are not stores to import: exports/bomb.gz'),
    });
    expect(bench.isFlat(memory), `${memory} MiB`).toBe(true);
  }, 60_000);

  it('quarantines JSON that nests too deep, and a folder in place of a file, in flat memory', async () => {
    const deep = `${'['.repeat(5_000_000)}${']'.repeat(5_000_000)}`;
    await writeFile(
      path.join(folder, '.agent-knowledge/a.json'),
      `[{"id":"d","content":"c","timestamp":"2025-01-01T00:00:00","metadata":{"m":${deep}}}]`,
    );
    await mkdir(path.join(folder, '.agent-knowledge/b.json'));
    const { status, stdout, memory } = await bench.run(['legacy']);
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('knowledge: read 2 = stored 0 + already there 0 + quarantined 2'),
    });
    expect(bench.isFlat(memory), `${memory} MiB`).toBe(true);
  }, 60_000);

  it.each([
    [['--table=agents'], /whose files say their tables: leave out --table/],
    [['--tenant=nobody'], /tenant "nobody" does not exist/],
    [['--legacy-timezone=Berlin'], /expected an offset from UTC, such as \+02:00/],
    [['legacy/.agent-configs/a.json'], /legacy is a folder of the legacy system: import it by itself/],
  ])(
    'refuses %j',
    async (args, reason) => {
      expect(await bench.problemOf(['legacy', ...args])).toMatch(reason);
    },
    60_000,
  );
});
