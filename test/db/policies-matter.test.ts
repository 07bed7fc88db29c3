import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accessMatrix, tablesWithoutEntry } from '../support/access-matrix.ts';
import { expectedAccess } from '../support/expected-access.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { twoTenants } from '../support/two-tenants.ts';
import type { ActorName, TwoTenants } from '../support/two-tenants.ts';

interface Policy {
  readonly table: string;
  readonly name: string;
  readonly command: string;
  readonly using: string | null;
  readonly check: string | null;
  /** The command that makes it anew. */
  readonly definition: string;
}

/** Everybody who reaches anything, so everybody whom a policy can make a difference to. */
const actors: readonly ActorName[] = [
  'member',
  'service',
  'service login',
  'admin',
  'analyst',
  'operator',
  'worker',
  'owner',
  'search',
  'jobs',
  'definer',
];

describe.skipIf(noServer)('every policy matters', () => {
  let world: TwoTenants;
  let policies: readonly Policy[];
  let expected: string;

  beforeAll(async () => {
    world = await twoTenants();
    policies = await readPolicies(world);
    expected = linesOf(expectedAccess);
    // One fault is one red test: a table without an entry would make every other one red, too.
    const faults = await tablesWithoutEntry(world);
    if (faults.length > 0) throw new Error(faults.join('\n'));
  });
  afterAll(() => world?.close());

  test('all of them together give what the table of access says', async () => {
    expect(linesOf(await accessMatrix(world, actors))).toBe(expected);
    expect(await recorderWrites()).toBe(true);
  });

  test('dropping any single one changes who reaches what', async () => {
    const unnoticed: string[] = [];
    for (const { table, name, definition } of policies) {
      await world.admin.query(`drop policy ${name} on ${table}`);
      try {
        if (await isAsExpected(table)) unnoticed.push(`${name} on ${table}`);
      } finally {
        await world.admin.query(definition);
      }
    }
    expect(unnoticed).toEqual([]);
    await expectAsBefore();
  }, 120_000);

  test('opening any single one to all tenants changes who reaches what', async () => {
    const unnoticed: string[] = [];
    let opened = 0;
    for (const { table, name, command, using, check, definition } of policies) {
      const openings = [
        ...(using === null || using === 'true' ? [] : ['using (true)']),
        // An update's check stands behind two others: no grant on tenant_id, and the guard of keys (tenancy.test.ts).
        ...(check === null || check === 'true' || command === 'UPDATE' ? [] : ['with check (true)']),
      ];
      for (const opening of openings) {
        await world.admin.query(`alter policy ${name} on ${table} ${opening}`);
        opened += 1;
        try {
          if (await isAsExpected(table)) unnoticed.push(`${name} on ${table} ${opening}`);
        } finally {
          await world.admin.query(`drop policy ${name} on ${table}`);
          await world.admin.query(definition);
        }
      }
    }
    // Each that confines is among them.
    const confining = policies.filter(({ using, check }) =>
      [using, check].some((expression) => expression !== null && expression !== 'true'),
    );
    expect(confining.length).toBeGreaterThan(40);
    expect(opened).toBeGreaterThanOrEqual(confining.length);
    expect(unnoticed).toEqual([]);
    await expectAsBefore();
  }, 120_000);

  /** Whether a table and the views of its rows are reached as expected. */
  async function isAsExpected(table: string): Promise<boolean> {
    const reached = linesOf(await accessMatrix(world, actors, table));
    const relations = new Set(reached.split('\n').map((line) => line.split('  ')[0]));
    expect(relations).toContain(table);
    const lines = expected.split('\n').filter((line) => relations.has(line.split('  ')[0]));
    return reached === lines.join('\n') && (table !== 'audit.log' || (await recorderWrites()));
  }

  /** Whether the recorder of DDL, whose rows have no tenant, may insert DDL and nothing that looks like a change of a row. */
  async function recorderWrites(): Promise<boolean> {
    const mayInsert = async (operation: string) => {
      await world.admin.query(`begin; set local role ${testRolePrefix}_recorder`);
      try {
        await world.admin.query({
          text: "insert into audit.log (table_name, operation, row_count, role) values ('x', $1, 1, 'r')",
          values: [operation],
        });
        return true;
      } catch (error) {
        if ((error as { code?: string }).code !== '42501') throw error;
        return false;
      } finally {
        await world.admin.query('rollback');
      }
    };
    return (await mayInsert('create table')) && !(await mayInsert('insert'));
  }

  /** All policies are back, and as many were tried as the catalog has. */
  async function expectAsBefore(): Promise<void> {
    expect(await readPolicies(world)).toEqual(policies);
    const { rows } = await world.admin.query('select count(*)::int as count from pg_policy');
    expect(policies.length).toBe(rows[0].count);
    expect(policies.length).toBeGreaterThan(0);
    expect(linesOf(await accessMatrix(world, actors))).toBe(expected);
  }
});

/** The lines of these actors, without the padding, which depends on what else is in the table. */
function linesOf(matrix: string): string {
  return matrix
    .split('\n')
    .map((line) => line.split(/ {2,}/))
    .filter(([, actor]) => actors.some((name) => name === actor))
    .map((cells) => cells.join('  '))
    .join('\n');
}

async function readPolicies({ admin }: TwoTenants): Promise<Policy[]> {
  const { rows } = await admin.query<Policy>(`
    select
      format('%I.%I', schemaname, tablename) as table, quote_ident(policyname) as name, cmd as command, qual as using,
      with_check as check,
      format(
        'create policy %I on %I.%I as %s for %s to %s%s%s', policyname, schemaname, tablename, permissive, cmd,
        (select string_agg(quote_ident(r), ', ') from unnest(roles) r),
        ' using (' || qual || ')', ' with check (' || with_check || ')'
      ) as definition
    from pg_policies
    order by 1, 2`);
  return rows;
}
