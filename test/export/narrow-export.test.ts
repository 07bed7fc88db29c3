import { cp, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lightningHere } from '../support/lightning-here.ts';
import { noServer } from '../support/server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { fillTables } from '../support/two-tenants.ts';
import { carriedDatabase, digestsOf, makeExtremes } from './carried-database.ts';
import type { CarriedDatabase, Exported } from './carried-database.ts';
import { forge } from './made-export.ts';

describe.skipIf(noServer)('one tenant of an export of everything', { timeout: 120_000 }, () => {
  const open: CarriedDatabase[] = [];
  const database = async (kind: 'embedded' | 'server'): Promise<CarriedDatabase> => {
    const made = await carriedDatabase(kind);
    open.push(made);
    return made;
  };
  let source: CarriedDatabase;
  let whole: Exported;
  let one: Exported;

  beforeAll(async () => {
    source = await database('server');
    const api = serverDatabase(source.env['DATABASE_URL']!);
    await fillTables(source.admin, api);
    await api.close();
    await makeExtremes(source.admin, true);
    // Numbers that every database gives anew, in an order that is none of their columns'.
    await source.admin.query(`
      insert into ops.retention_receipts (policy, tenant_id, older_than, row_count)
      select 'tasks', t, '2026-01-01Z'::timestamptz - i * interval '1 day', (i * 7) % 5
      from generate_series(1, 20) i, unnest('{acme,rival}'::text[]) t`);
    whole = await source.exported('--audit');
    one = await source.exported('--tenant', 'acme');
  }, 180_000);
  afterAll(async () => {
    for (const each of open) await each.close();
  });

  test.each(['server', 'embedded'] as const)(
    'goes beside others, and is what an export of it alone would have brought, %s',
    async (kind) => {
      const target = await database(kind);
      await makeExtremes(target.admin, false);
      const first = await target.lightning('import', whole.folder, '--tenant', 'rival');
      expect(first.status, first.stderr).toBe(0);
      expect(first.stdout).toMatch(/imported \d+ rows of \d+ tables from .*; each is what the export has\n$/);
      const before = await target.exported('--tenant', 'rival');
      const ended = await target.lightning('import', whole.folder, '--tenant', 'acme');
      expect(ended.status, ended.stderr).toBe(0);
      expect(digestsOf((await target.exported('--tenant', 'acme')).manifest)).toEqual(
        digestsOf(one.manifest),
      );
      expect(digestsOf((await target.exported('--tenant', 'rival')).manifest)).toEqual(
        digestsOf(before.manifest),
      );
      const { rows } = await target.admin.query('select id from app_public.tenants order by id');
      expect(rows).toEqual([{ id: 'acme' }, { id: 'default' }, { id: 'rival' }]);
      expect(await target.lightning('import', whole.folder, '--tenant', 'acme')).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('tenant acme exists already'),
      });
    },
  );

  test('that it does not have is refused with those that it has, before the database is opened', async () => {
    const nowhere = { ...source.env, MIGRATE_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
    for (const [folder, says] of [
      [whole.folder, 'the export has no tenant nobody; it has acme, default, locked_out, rival'],
      [one.folder, 'the export has no tenant nobody; it has acme'],
      [
        (await source.exported('--table', 'agents')).folder,
        'the export does not say which tenants it has: app_public.tenants is not in it',
      ],
    ] as const) {
      const ended = await lightningHere(['import', folder, '--tenant', 'nobody'], nowhere);
      expect([ended.status, ended.stderr.split('lightning: ').at(-1)]).toEqual([1, `${says}\n`]);
    }
  });

  test('is the whole of an export of it alone, and another flag is refused', async () => {
    const target = await database('server');
    await makeExtremes(target.admin, false);
    expect((await target.lightning('import', one.folder, '--tenant', 'acme')).status).toBe(0);
    expect(digestsOf((await target.exported('--tenant', 'acme')).manifest)).toEqual(digestsOf(one.manifest));
    const flagged = await target.lightning(
      'import',
      one.folder,
      '--tenant',
      'acme',
      '--create-missing-agents',
    );
    expect([flagged.status, flagged.stderr]).toEqual([
      2,
      `lightning: ${one.folder} is an export, which has its own tenants and nothing to quarantine: leave out --create-missing-agents\n`,
    ]);
  });

  test('is refused whole when a file was changed, or the database lacks a table of it', async () => {
    const target = await database('server');
    const lacks = await target.lightning('import', whole.folder, '--tenant', 'acme');
    expect([lacks.status, lacks.stderr]).toEqual([
      1,
      expect.stringContaining('the export has the table app_public.extremes, and the database does not'),
    ]);
    const folder = path.join(await mkdtemp(path.join(tmpdir(), 'export-')), 'export');
    await cp(whole.folder, folder, { recursive: true });
    const agents = await readFile(path.join(folder, 'app_public.agents.jsonl'), 'utf8');
    await forge(folder, 'app_public.agents', Buffer.from(agents.replace('Shared', 'Shored')), {});
    const damaged = await target.lightning('import', folder, '--tenant', 'acme');
    expect(damaged.status).toBe(1);
    expect(damaged.stderr).toContain('app_public.agents.jsonl is damaged');
    expect((await target.admin.query('select from app_public.tenants')).rowCount).toBe(1);
  });
});
