import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../src/db/statement.ts';
import { readCatalog, select } from '../../src/export/catalog.ts';
import type { Table } from '../../src/export/catalog.ts';
import {
  alsoCarried,
  auditTables,
  leftOut,
  leftOutColumns,
  leftOutSchemas,
  replacedTables,
  undecided,
} from '../../src/export/left-out.ts';
import { noServer } from '../support/server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';

describe.skipIf(noServer)('what an export takes from the catalog', () => {
  let made: MigratedDatabase;
  let tables: readonly Table[];

  beforeAll(async () => {
    made = await migratedDatabase();
    const database = serverDatabase(made.adminUrl);
    tables = await readCatalog(database);
    await database.close();
  }, 60_000);
  afterAll(() => made?.drop());

  test('is decided for every table: it has a tenant, or a list says what becomes of it', () => {
    const { notCarried } = select(tables, { audit: true, ofTenant: false });
    const forgotten = notCarried.filter(({ reason }) => reason === undecided).map(({ name }) => name);
    expect(forgotten, 'write these into a list of src/export/left-out.ts').toEqual([]);
  });

  test('every name in the lists is a table or a column of the catalog, in one list', () => {
    const names = tables.map(({ name }) => name);
    const listed = [...leftOut.keys(), ...alsoCarried, ...auditTables];
    expect(listed.filter((name) => !names.includes(name))).toEqual([]);
    expect(new Set(listed).size).toBe(listed.length);
    expect([...replacedTables].filter((name) => !names.includes(name) || leftOut.has(name))).toEqual([]);
    // graphile-worker makes its tables itself.
    const schemas = new Set(names.map((name) => name.split('.')[0]));
    expect([...leftOutSchemas.keys()].filter((schema) => !schemas.has(schema))).toEqual([]);
    for (const [name, columns] of leftOutColumns) {
      const { columns: carried } = tables.find((table) => table.name === name)!;
      expect(columns.filter((column) => carried.some((each) => each.name === column))).toEqual([]);
    }
  });

  test('is every table with a tenant, and of one tenant nothing else', () => {
    const whole = select(tables, { audit: false, ofTenant: false }).carried.map(({ name }) => name);
    expect(whole).toEqual(
      expect.arrayContaining(['app_public.tenants', 'app_public.metrics', 'app_private.api_keys']),
    );
    expect(whole).not.toContain('audit.log');
    const one = select(tables, { audit: false, ofTenant: true }).carried;
    expect(one.filter(({ tenantColumn }) => tenantColumn === null)).toEqual([]);
    // Elsewhere others have these numbers.
    const holds = one.find(({ name }) => name === 'ops.retention_holds')!;
    expect(holds.columns.map(({ name }) => name)).not.toContain('id');
  });

  test('is nothing of a partition that retention has detached and not dropped yet', async () => {
    const database = serverDatabase(made.adminUrl);
    const { rows } = await database.query<{ name: string }>(
      sql`select p.relid::regclass::text as name from pg_partition_tree('app_public.metrics') p where p.isleaf order by 1 limit 1`,
    );
    const name = `app_public.${rows[0]!.name.split('.').at(-1)}`;
    await database.query({ text: `alter table app_public.metrics detach partition ${name}` });
    await database.query(
      sql`insert into ops.partition_removals (partition, parent, policy, held) values (${name}, 'app_public.metrics', 'metrics.raw', '(,)')`,
    );
    const { carried, notCarried } = select(await readCatalog(database), { audit: false, ofTenant: false });
    await database.close();
    expect(carried.map((table) => table.name)).not.toContain(name);
    expect(notCarried).toContainEqual({ name, reason: 'a former partition that retention is removing' });
  });
});
