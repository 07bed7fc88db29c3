import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { from as copyFrom } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blocksOf } from '../support/doc-blocks.ts';
import { noServer, readyServer } from '../support/server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { fillTables } from '../support/two-tenants.ts';
import { carriedDatabase, digestsOf, makeExtremes } from './carried-database.ts';
import type { CarriedDatabase } from './carried-database.ts';

describe.skipIf(noServer)('an export in another format', { timeout: 120_000 }, () => {
  const open: CarriedDatabase[] = [];
  const database = async (): Promise<CarriedDatabase> => {
    const made = await carriedDatabase('server');
    open.push(made);
    await makeExtremes(made.admin, made === open[0]);
    return made;
  };
  let source: CarriedDatabase;
  let scratch: string;

  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'formats-'));
    const made = await carriedDatabase('server');
    open.push(made);
    const api = serverDatabase(made.env['DATABASE_URL']!);
    await fillTables(made.admin, api);
    await api.close();
    await makeExtremes(made.admin, true);
    source = made;
  }, 180_000);
  afterAll(async () => {
    for (const each of open) await each.close();
  });

  /** Runs the line of docs/export.md, with this database and this file. */
  const psql = async (target: CarriedDatabase, file: string) => {
    const [line = ''] = (await blocksOf('docs/export.md'))
      .filter(({ mark }) => mark?.kind === 'run by' && mark.file === 'test/export/other-formats.test.ts')
      .map(({ code }) => code);
    const [name = '', ...words] = line.trim().split(' ');
    const program = path.join(readyServer().binDirectory ?? '', name);
    const values: Record<string, string> = {
      '"$MIGRATE_DATABASE_URL"': target.env['MIGRATE_DATABASE_URL']!,
      'everything.sql': file,
    };
    const argv = words.map((word) => values[word] ?? word);
    try {
      return { status: 0, ...(await promisify(execFile)(program, argv)) };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { status: code, stdout, stderr };
    }
  };

  test('as SQL is loaded by psql as the login of migrations, with equal hashes for every table', async () => {
    const file = path.join(scratch, 'whole.sql');
    const ended = await source.lightning('export', '--format', 'sql', '--output', file);
    expect(ended.status, ended.stderr).toBe(0);
    expect(ended.stdout).toMatch(/^exported \d+ rows of \d+ tables to .*whole\.sql\n$/);
    const target = await database();
    expect(await psql(target, file)).toEqual({ status: 0, stdout: '', stderr: '' });
    const [before, after] = [await source.exported(), await target.exported()];
    expect(digestsOf(after.manifest)).toEqual(digestsOf(before.manifest));
    const { rows } = await target.admin.query(
      `select count(*)::integer as n from audit.log where operation = 'import'`,
    );
    expect(rows).toEqual([{ n: 1 }]);

    const again = await psql(target, file);
    expect(again).toMatchObject({ status: 3, stderr: expect.stringContaining('has rows already') });
    expect(digestsOf((await target.exported()).manifest)).toEqual(digestsOf(before.manifest));
  });

  test('as SQL of one tenant goes beside others, and is refused by another schema', async () => {
    const file = path.join(scratch, 'acme.sql');
    expect(
      await source.lightning('export', '--format', 'sql', '--tenant', 'acme', '--output', file),
    ).toMatchObject({ status: 0 });
    const target = await database();
    await target.admin.query(`select ops.create_tenant('beside', 'Beside')`);
    expect(await psql(target, file)).toEqual({ status: 0, stdout: '', stderr: '' });
    const [before, after] = [
      await source.exported('--tenant', 'acme'),
      await target.exported('--tenant', 'acme'),
    ];
    expect(digestsOf(after.manifest)).toEqual(digestsOf(before.manifest));

    const other = await database();
    await other.admin.query(
      `delete from graphile_migrate.migrations where filename = (select max(filename) from graphile_migrate.migrations)`,
    );
    expect(await psql(other, file)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('the database has another schema than the export'),
    });
  });

  test('as CSV is what COPY reads, and import says that it is not for it', async () => {
    const { folder, manifest } = await source.exported('--format', 'csv', '--compress', 'gzip');
    expect(manifest).toMatchObject({ content: 'csv', storage: 'gzip' });
    expect(await readdir(folder)).toContain('app_public.agents.csv.gz');
    const target = await database();
    const { columns } = manifest.tables.find(({ table }) => table === 'app_public.extremes')!;
    const names = columns.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ');
    await target.admin.query(`
      drop trigger _100_timestamps on app_public.extremes;
      select ops.create_tenant('acme', 'acme'), ops.create_tenant('rival', 'rival')`);
    await pipeline(
      createReadStream(path.join(folder, 'app_public.extremes.csv.gz')),
      createGunzip(),
      target.admin.query(
        copyFrom(`copy app_public.extremes (${names}) from stdin (format csv, header match)`),
      ),
    );
    const of = async (each: CarriedDatabase) =>
      digestsOf((await each.exported('--table', 'extremes')).manifest)['app_public.extremes'];
    expect(await of(target)).toBe(await of(source));
    expect(await target.lightning('import', folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is of an export as CSV'),
    });
  });
});
