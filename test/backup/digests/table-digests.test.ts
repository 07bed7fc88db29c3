import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestTables, listTables } from '../../../src/backup/digests/table-digests.ts';
import type { TableDigest } from '../../../src/backup/digests/table-digests.ts';
import type { Executor } from '../../../src/db/database.ts';
import type { Statement } from '../../../src/db/statement.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';

describe.each(apiTargets)('digests of tables (%s)', (kind, open) => {
  let target: ApiTarget;

  beforeAll(async () => {
    target = await open();
    await target.admin.query(`
      insert into app_public.agents (tenant_id, id, name, model) select 'default', 'agent-' || n, 'Agent', 'm' from generate_series(1, 200) n;
      insert into app_public.knowledge (tenant_id, category, content, embedding)
      select 'default', 'a', 'content', array_fill(0.25, array[1536])::vector from generate_series(1, 5);
      create schema copies;
      create table copies.shuffled as select * from app_public.agents order by random();
      create table copies.plain as select * from app_public.agents;
      create unlogged table copies.unlogged as select * from app_public.agents`);
  });
  afterAll(() => target?.close());

  async function digests(): Promise<Map<string, TableDigest>> {
    await target.admin.query('begin');
    try {
      const executor: Executor = {
        query: async <Row>({ text, values }: Statement) => {
          const { rows, rowCount } = await target.admin.query(text, [...(values ?? [])]);
          return { rows: rows as Row[], rowCount };
        },
      };
      const found = await digestTables(executor, await listTables(executor));
      return new Map(found.map((digest) => [digest.table, digest]));
    } finally {
      await target.admin.query('rollback');
    }
  }

  test('exactly the tables that a backup holds are listed, each partition on its own', async () => {
    const tables = [...(await digests()).keys()];
    expect(tables).toContain('"app_public"."agents"');
    expect(tables).toContain('"graphile_migrate"."migrations"');
    expect(tables.filter((table) => table.includes('metrics_p')).length).toBeGreaterThan(10);
    expect(tables).not.toContain('"app_public"."metrics"');
    expect(tables).not.toContain('"copies"."unlogged"');
    expect(tables.filter((table) => table.startsWith('"pg_'))).toEqual([]);
  });

  test('the order of rows does not matter, but their number and each of their bytes do', async () => {
    const before = await digests();
    const plain = before.get('"copies"."plain"');
    expect(plain?.rows).toBe(200);
    expect(before.get('"copies"."shuffled"')?.digest).toBe(plain?.digest);

    await target.admin.query(`update copies.plain set name = 'agent' where id = 'agent-77'`);
    const after = await digests();
    expect(after.get('"copies"."plain"')?.rows).toBe(200);
    expect(after.get('"copies"."plain"')?.digest).not.toBe(plain?.digest);
    expect(after.get('"app_public"."knowledge"')).toEqual(before.get('"app_public"."knowledge"'));

    await target.admin.query(
      'update app_public.knowledge set embedding = array_fill(0.26, array[1536])::vector where id = (select min(id) from app_public.knowledge)',
    );
    expect((await digests()).get('"app_public"."knowledge"')?.digest).not.toBe(
      before.get('"app_public"."knowledge"')?.digest,
    );
  });

  test.skipIf(kind === 'embedded')(
    'a login that row-level security filters gets an error, not fewer rows',
    async () => {
      const asService = target.database.transaction(
        { role: 'lightning_service', 'app.tenant_id': 'default' },
        (transaction) => digestTables(transaction, ['"app_public"."agents"']),
      );
      await expect(asService).rejects.toMatchObject({ code: '42501' });
    },
  );
});
