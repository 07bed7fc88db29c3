import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database, Transaction } from '../../src/db/database.ts';
import { readCatalog } from '../../src/export/catalog.ts';
import { exportDatabase } from '../../src/export/export-database.ts';
import { readLines } from '../../src/export/lines.ts';
import { lightningHere } from '../support/lightning-here.ts';
import { noServer } from '../support/server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { carriedDatabase, digestsOf, manifestOf } from './carried-database.ts';
import type { CarriedDatabase } from './carried-database.ts';
import { noKeys } from './made-export.ts';

describe.skipIf(noServer)('lightning export', { timeout: 60_000 }, () => {
  let source: CarriedDatabase;
  let scratch: string;

  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'export-'));
    source = await carriedDatabase('server');
    await source.admin.query(`
      insert into app_public.agents (tenant_id, id, name, model) values ('default', 'one', 'One', 'm');
      insert into app_public.tasks (tenant_id, description) values ('default', 'first')`);
  }, 60_000);
  afterAll(() => source?.close());

  const options = (database: Database, name: string) => ({
    database,
    folder: path.join(scratch, name),
    tenant: null,
    tables: null,
    audit: false,
    content: 'jsonl' as const,
    storage: 'plain' as const,
    keys: noKeys,
    now: () => new Date(),
    onProgress: () => {},
  });

  test('writes lines that people can read, and a manifest that says what is not in it, and why', async () => {
    const { folder, manifest } = await source.exported();
    expect(await readFile(path.join(folder, 'app_public.agents.jsonl'), 'utf8')).toMatch(
      /^\{"tenant_id":"default","id":"one","name":"One","model":"m","specialization":null,"status":"idle","config":\{\},"created_at":"[^"]+\+00:00","updated_at":"[^"]+"\}\n$/,
    );
    expect(manifest).toMatchObject({
      format: 'agent-lightning export',
      version: 1,
      tenant: null,
      storage: 'plain',
    });
    expect(manifest.notCarried).toEqual(
      expect.arrayContaining([
        { name: 'app_private.tenant_logins', reason: expect.stringContaining('passwords') },
        { name: 'audit.log', reason: expect.stringContaining('--audit') },
        { name: 'graphile_worker.*', reason: expect.stringContaining('queue of jobs') },
      ]),
    );
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(path.join(folder, 'app_public.agents.jsonl'))).mode & 0o777).toBe(0o600);
  });

  test('is one snapshot: what is written meanwhile is in none of its tables', async () => {
    const database = serverDatabase(source.env['BACKUP_DATABASE_URL']!);
    let written = false;
    // Another session writes before the second table is read.
    const slow: Database = Object.assign(Object.create(database) as Database, {
      transaction: (settings: never, work: (transaction: Transaction) => Promise<unknown>, level: never) =>
        database.transaction(
          settings,
          (transaction) =>
            work({
              query: async (statement: { text: string }) => {
                if (!written && statement.text.includes('"app_public"."tasks"')) {
                  written = true;
                  await source.admin.query(
                    `insert into app_public.tasks (tenant_id, description) values ('default', 'meanwhile')`,
                  );
                }
                return transaction.query(statement);
              },
            } as unknown as Transaction),
          level,
        ),
    });
    const manifest = await exportDatabase(options(slow, 'snapshot'));
    await database.close();
    expect(written).toBe(true);
    expect(manifest.tables.find(({ table }) => table === 'app_public.tasks')).toMatchObject({ rows: 1 });
    await source.admin.query(`delete from app_public.tasks where description = 'meanwhile'`);
  });

  test('is the same content however it is stored, and encrypted it shows nothing', async () => {
    const plain = digestsOf((await source.exported()).manifest);
    for (const storage of ['gzip', 'zstd']) {
      const { manifest, folder } = await source.exported('--compress', storage);
      expect(digestsOf(manifest)).toEqual(plain);
      expect(await source.lightning('import', folder)).toMatchObject({
        stderr: expect.stringContaining('has rows already'),
      });
    }
    const env = { ...source.env, BACKUP_ENCRYPTION_KEY: randomBytes(32).toString('hex') };
    const folder = path.join(scratch, 'sealed');
    const ended = await lightningHere(['export', '--output', folder, '--encrypt', '--json'], env);
    expect(ended.status, ended.stderr).toBe(0);
    const { tables } = JSON.parse(ended.stdout);
    expect(digestsOf({ tables } as never)).toEqual(plain);
    expect((await readdir(folder)).filter((name) => !name.endsWith('.sealed'))).toEqual([]);
    expect(await lightningHere(['import', folder], env)).toMatchObject({
      stderr: expect.stringContaining('has rows already'),
    });
    expect(await source.lightning('import', folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('it is encrypted, and BACKUP_ENCRYPTION_KEY is not set'),
    });
  });

  test('of some tables has these, and says of the others that they were not asked for', async () => {
    const { manifest } = await source.exported('--table', 'agents', 'ops.retention_policies');
    expect(Object.keys(digestsOf(manifest))).toEqual(['app_public.agents', 'ops.retention_policies']);
    expect(manifest.notCarried).toContainEqual({ name: 'app_public.tasks', reason: 'it was not asked for' });
  });

  test('leaves nothing behind when it is ended', async () => {
    const database = serverDatabase(source.env['BACKUP_DATABASE_URL']!);
    const parent = await mkdtemp(path.join(scratch, 'ended-'));
    const signal = AbortSignal.abort(new Error('ended by SIGTERM'));
    await expect(
      exportDatabase({ ...options(database, 'x'), folder: path.join(parent, 'x'), signal }),
    ).rejects.toThrow('ended by SIGTERM');
    await database.close();
    expect(await readdir(parent)).toEqual([]);
  });

  const refusals: Readonly<Record<string, [flags: string[], status: number, says: RegExp]>> = {
    'a tenant that does not exist': [
      ['--tenant', 'nobody'],
      1,
      /tenant "nobody" does not exist; .*lightning tenant list/,
    ],
    'a table that does not exist': [
      ['--table', 'agent'],
      1,
      /the database has no table app_public\.agent; those that are exported: .*app_public\.agents/,
    ],
    'a table that is not carried': [
      ['--table', 'ops.workers'],
      1,
      /ops\.workers is not exported: the workers of one installation/,
    ],
    'a table of the queue of jobs': [
      ['--table', 'graphile_worker.migrations'],
      1,
      /is not exported: the queue of jobs/,
    ],
    'the audit log of one tenant': [
      ['--audit', '--tenant', 'default'],
      2,
      /--audit and --tenant exclude each other/,
    ],
    'the audit log with some tables': [
      ['--audit', '--table', 'agents'],
      2,
      /--audit and --table exclude each other/,
    ],
    'an unknown compression': [['--compress', 'lzma'], 2, /--compress is "lzma"; expected gzip or zstd/],
    'two ways to compress': [['--compress', 'gzip', '--encrypt'], 2, /--encrypt compresses by zstd already/],
    'an unknown format': [['--format', 'xml'], 2, /--format is "xml"; expected jsonl, csv or sql/],
    'SQL with the audit log': [
      ['--format', 'sql', '--audit'],
      2,
      /--format sql and --audit exclude each other/,
    ],
    'SQL that is encrypted': [
      ['--format', 'sql', '--encrypt'],
      2,
      /--format sql and --encrypt exclude each other/,
    ],
    'an encryption without a key': [['--encrypt'], 2, /--encrypt needs BACKUP_ENCRYPTION_KEY/],
  };
  for (const [name, [flags, status, says]] of Object.entries(refusals)) {
    test(`${name} is refused, and nothing is written`, async () => {
      const parent = await mkdtemp(path.join(scratch, 'refused-'));
      const ended = await source.lightning('export', '--output', path.join(parent, 'x'), ...flags);
      expect(ended).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(says) });
      expect(await readdir(parent)).toEqual([]);
    });
  }

  test('a folder that exists is refused, and so are a link to nowhere and a folder that cannot be made', async () => {
    const parent = await mkdtemp(path.join(scratch, 'exists-'));
    await mkdir(path.join(parent, 'there'));
    await symlink('nowhere', path.join(parent, 'link'));
    for (const name of ['there', 'link']) {
      expect(await source.lightning('export', '--output', path.join(parent, name))).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('exists already; expected a new name'),
      });
    }
    expect(await source.lightning('export', '--output', path.join(parent, 'none/x'))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('ENOENT'),
    });
    expect(await readdir(parent)).toEqual(['link', 'there']);
  });

  test('rows come some at a time: few where they are large', async () => {
    await source.admin.query(`
      select ops.create_tenant('large', 'Large');
      insert into app_public.knowledge (tenant_id, id, content)
      select 'large', lpad(n::text, 4, '0'), case when n between 300 and 320 then repeat('x', 1000000) || n else 'small' end
      from generate_series(1, 900) n`);
    const database = serverDatabase(source.env['BACKUP_DATABASE_URL']!);
    const sizes: number[] = [];
    let rows = 0;
    await database.transaction({ row_security: 'off', search_path: 'pg_catalog' }, async (transaction) => {
      const { tables } = await manifestOfLarge();
      const table = (await readCatalog(transaction)).find(({ name }) => name === 'app_public.knowledge')!;
      const { columns, order } = tables.find(({ table: name }) => name === 'app_public.knowledge')!;
      for await (const piece of readLines(transaction, {
        table,
        columns,
        order,
        where: "where t.tenant_id = 'large'",
      })) {
        sizes.push(piece.bytes.length);
        rows += piece.rows;
      }
    });
    await database.close();
    expect(rows).toBe(900);
    // Each large row is alone, and the others come together.
    expect(sizes.filter((size) => size > 1_000_000)).toHaveLength(21);
    expect(sizes.length).toBeLessThan(30);
    const { folder } = await source.exported('--tenant', 'large', '--table', 'knowledge');
    const lines = (await readFile(path.join(folder, 'app_public.knowledge.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n');
    const content = lines
      .map((line) => JSON.parse(line))
      .map(({ id, content: text }) => `${id} ${text.slice(-3)}`);
    expect(content).toHaveLength(900);
    expect(content.slice(298, 301)).toEqual(['0299 all', '0300 300', '0301 301']);
  });
  const manifestOfLarge = async () => manifestOf((await source.exported('--tenant', 'large')).folder);
});
