import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { mkdir, open, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importProcess } from '../import/import-process.ts';
import type { ImportProcess } from '../import/import-process.ts';
import { docBlocks } from '../support/doc-blocks.ts';
import { noServer } from '../support/server.ts';
import { lines } from './table-files.ts';

const mebibyte = 1024 * 1024;

describe.skipIf(noServer)('lightning import of files, as a process', () => {
  let bench: ImportProcess;
  let folder: string;
  beforeAll(async () => {
    bench = await importProcess();
    folder = bench.folder;
    await writeFile(path.join(folder, 'agents.jsonl'), lines({ id: 'a', name: 'A', model: 'm' }));
  }, 120_000);
  afterAll(() => bench?.close(), 60_000);
  const run: ImportProcess['run'] = (args, input) => bench.run(args, input);
  const problemOf: ImportProcess['problemOf'] = (args, input) => bench.problemOf(args, input);

  it('imports the files of docs/import.md', async () => {
    const [block = ''] = await docBlocks('docs/import.md', 'sh');
    const id = '00000000-0000-4000-8000-000000000001';
    await mkdir(path.join(folder, 'dump'));
    await writeFile(path.join(folder, 'tasks.csv.gz'), gzipSync(`id,description,agent_id\n${id},d,a\n`));
    const knowledge = [{ id: 'k', content: 'c', agent_id: 'a' }];
    await writeFile(
      path.join(folder, 'dump/knowledge.json.zst'),
      zstdCompressSync(JSON.stringify(knowledge)),
    );
    const words = [...block.trim().matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, plain]) => quoted ?? plain ?? '',
    );
    expect(words.slice(0, 2)).toEqual(['lightning', 'import']);
    const args = words.slice(2).map((word) => (word === 'default' ? '--tenant=default' : word));
    const { status, stdout } = await run(args.filter((word) => word !== '--tenant'));
    expect({ status, stdout }).toMatchObject({ status: 0 });
    expect(stdout).toContain('in all: read 3 = stored 3 + already there 0 + quarantined 0');
  }, 60_000);

  it('takes standard input', async () => {
    const input = lines({ id: 'b', name: 'B', model: 'm' });
    const { status, stdout } = await run(['-', '--table=agents'], Buffer.from(input));
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('read 1 = stored 1'),
    });
    expect(await problemOf(['-'], Buffer.from(input))).toMatch(
      /standard input has no name that says its table: give --table/,
    );
    const left = (await readdir(tmpdir())).filter((name) => name.startsWith('lightning-import-'));
    expect(left).toEqual([]);
  }, 60_000);

  it.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ])(
    'refuses what %s unpacks to 10 GB',
    async (_, pack) => {
      const part = pack(Buffer.from('{"id":"x","name":"X","model":"m"}\n'.repeat(300_000)));
      const times = Math.ceil(10_000_000_000 / (300_000 * 34));
      const file = await open(path.join(folder, 'agents.bomb'), 'w');
      for (let i = 0; i < times; i += 1) await file.write(part);
      await file.close();
      expect(await problemOf(['agents.bomb'])).toMatch(
        /agents\.bomb grows to more than 100 times its size when it is unpacked/,
      );
    },
    120_000,
  );

  it('refuses zeros that are packed to a thousandth: they are no rows', async () => {
    await writeFile(path.join(folder, 'agents.zeros'), gzipSync(Buffer.alloc(1_000 * mebibyte)));
    expect(await problemOf(['agents.zeros'])).toMatch(
      /agents\.zeros is not text, compressed with gzip; expected rows/,
    );
  }, 120_000);

  it.each([
    [
      'agents.line.jsonl',
      '{"id":"x","name":"',
      /record 1 of .*agents\.line\.jsonl has more than 16777216 bytes/,
    ],
    [
      'agents.item.json',
      '[{"id":"x","name":"',
      /record 1 of .*agents\.item\.json has more than 16777216 bytes/,
    ],
    [
      'agents.field.csv',
      'id,name,model\nx,"',
      /record 2 of .*agents\.field\.csv has more than 16777216 bytes/,
    ],
  ])(
    'refuses a line of 1 GB (%s)',
    async (name, beginning, reason) => {
      const file = await open(path.join(folder, name), 'w');
      await file.write(beginning);
      const piece = Buffer.alloc(16 * mebibyte, 'x');
      for (let i = 0; i < 64; i += 1) await file.write(piece);
      await file.close();
      expect(await problemOf([name])).toMatch(reason);
      await rm(path.join(folder, name));
    },
    120_000,
  );

  it('stores rows of any number in the same memory', async () => {
    const file = await open(path.join(folder, 'knowledge.many.jsonl'), 'w');
    for (let i = 0; i < 60; i += 1)
      await file.write(
        lines(
          ...Array.from({ length: 1_000 }, (__, n) => ({ id: `m${i}-${n}`, content: 'word '.repeat(400) })),
        ),
      );
    await file.close();
    const { status, stdout, memory } = await run(['knowledge.many.jsonl']);
    expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('stored 60000') });
    expect(bench.isFlat(memory), `${memory} MiB`).toBe(true);
  }, 240_000);

  it('quarantines a row whose JSON nests millions of levels, in flat memory', async () => {
    const deep = `${'['.repeat(7_000_000)}${']'.repeat(7_000_000)}`;
    await writeFile(
      path.join(folder, 'agents.deep.jsonl'),
      `{"id":"flat","name":"F","model":"m"}\n{"id":"deep","name":"D","model":"m","config":{"a":${deep}}}\n`,
    );
    const { status, stdout, stderr, memory } = await run(['agents.deep.jsonl']);
    expect({ status, stdout, stderr }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('quarantined 1'),
    });
    expect(bench.isFlat(memory), `${memory} MiB`).toBe(true);
  }, 60_000);

  it('refuses a link out of the folder, a pipe and a device, and does not follow the folders in it', async () => {
    const inside = path.join(folder, 'linked');
    await mkdir(inside);
    await symlink('../agents.jsonl', path.join(inside, 'agents.jsonl'));
    expect(await problemOf(['linked'])).toMatch(
      /linked\/agents\.jsonl is a link that leads out of its folder/,
    );
    expect(await problemOf(['linked/*.jsonl'])).toMatch(
      /linked\/agents\.jsonl is a link that leads out of its folder/,
    );
    await rm(path.join(inside, 'agents.jsonl'));
    await symlink('nowhere', path.join(inside, 'agents.jsonl'));
    expect(await problemOf(['linked'])).toMatch(/linked\/agents\.jsonl cannot be read: it does not exist/);
    await rm(path.join(inside, 'agents.jsonl'));
    execFileSync('mkfifo', [path.join(inside, 'agents.jsonl')]);
    expect(await problemOf(['linked'])).toMatch(/linked\/agents\.jsonl is a pipe; expected a file/);
    expect(await problemOf(['linked/agents.jsonl'])).toMatch(
      /linked\/agents\.jsonl is a pipe; expected a file/,
    );
    await rm(path.join(inside, 'agents.jsonl'));
    await symlink('/dev/zero', path.join(inside, 'agents.jsonl'));
    expect(await problemOf(['linked/agents.jsonl'])).toMatch(
      /linked\/agents\.jsonl is a device; expected a file/,
    );
  }, 120_000);

  it('refuses what is cut off, and what was changed to something else', async () => {
    const packed = gzipSync(
      lines(...Array.from({ length: 5_000 }, (_, n) => ({ id: `c${n}`, name: `${n}`, model: 'm' }))),
    );
    await writeFile(path.join(folder, 'agents.cut.gz'), packed.subarray(0, packed.length - 100));
    expect(await problemOf(['agents.cut.gz'])).toMatch(
      /agents\.cut\.gz cannot be unpacked: unexpected end of file/,
    );
    await writeFile(path.join(folder, 'agents.junk.gz'), Buffer.concat([packed, Buffer.from('junk')]));
    expect(await problemOf(['agents.junk.gz'])).toMatch(/agents\.junk\.gz cannot be unpacked/);
    const zst = zstdCompressSync(lines({ id: 'z', name: 'Z', model: 'm' }));
    await writeFile(path.join(folder, 'agents.junk.zst'), Buffer.concat([zst, Buffer.from('junk')]));
    expect(await problemOf(['agents.junk.zst'])).toMatch(/agents\.junk\.zst cannot be unpacked/);
  }, 120_000);

  it('reads every part of a file that was compressed in parts', async () => {
    for (const [name, pack] of [
      ['agents.parts.gz', gzipSync],
      ['agents.parts.zst', zstdCompressSync],
    ] as const) {
      const part = (n: number) => pack(lines({ id: `${name}${n}`, name: 'P', model: 'm' }));
      await writeFile(path.join(folder, name), Buffer.concat([part(1), part(2), part(3)]));
      expect((await run([name])).stdout).toContain('read 3 = stored 3');
    }
  }, 60_000);

  it('refuses a file that changes while it is read, and stores nothing of it', async () => {
    const file = path.join(folder, 'knowledge.changing.jsonl');
    const rows = (from: number): string =>
      lines(...Array.from({ length: 20_000 }, (_, n) => ({ id: `w${from + n}`, content: 'c' })));
    await writeFile(file, rows(0));
    const started = bench.start(['knowledge.changing.jsonl']);
    started.process.stdin.end();
    // It is in the middle once a row can be seen in the table's lock.
    for (;;) {
      const { rows: busy } = await bench.admin.query(
        "select from pg_locks l where l.relation = 'app_public.knowledge'::regclass and l.mode = 'RowExclusiveLock' and l.database = (select oid from pg_database where datname = current_database())",
      );
      if (busy.length > 0) break;
      expect(started.process.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    appendFileSync(file, rows(20_000));
    expect(await started.ended).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /knowledge\.changing\.jsonl changed while it was read; nothing of it is stored/,
      ),
    });
    const { rows: stored } = await bench.admin.query("select from app_public.knowledge where id like 'w%'");
    expect(stored).toEqual([]);
  }, 60_000);

  it.each([
    [['nowhere.jsonl'], /nowhere\.jsonl does not exist; expected a file or a folder/],
    [['*.nothing'], /no file fits .*\*\.nothing/],
    [['agents.jsonl', '--table=nothing'], /there is no table nothing/],
    [['agents.jsonl', '--table='], /--table is empty/],
    [['agents.jsonl', '--tenant=nobody'], /tenant "nobody" does not exist/],
    [['agents.jsonl', '--legacy-timezone=+01:00'], /--legacy-timezone is for a folder of the legacy system/],
    [
      ['agents.jsonl', '--create-missing-agents'],
      /--create-missing-agents is for a folder of the legacy system/,
    ],
    [['agents.jsonl', '--report=/nowhere/report'], /the report cannot be written to \/nowhere\/report/],
  ])(
    'refuses %j',
    async (args, reason) => {
      expect(await problemOf(args)).toMatch(reason);
    },
    60_000,
  );
});
