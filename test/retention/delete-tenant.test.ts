import { DatabaseError } from 'pg';
import { expect, test } from 'vitest';
import type { Executor } from '../../src/db/database.ts';
import { deleteTenant, deletionOrder, nextSize, requestsToEnd } from '../../src/retention/delete-tenant.ts';
import type { DeletionRun } from '../../src/retention/delete-tenant.ts';

// What it does to a database is in test/commands/delete-tenant.test.ts; here are its limits, with answers of a database that it cannot give
// at will.

const run: DeletionRun = {
  onProgress: () => {},
  signal: new AbortController().signal,
  limits: { betweenTries: 1, transactions: 50, untilRefused: 1, requests: 300 },
};

/** Answers each statement by the first word that it has. Counts how often each was asked. */
function answering(answers: Readonly<Record<string, () => object[]>>): {
  readonly executor: Executor;
  readonly asked: Record<string, number>;
} {
  const asked: Record<string, number> = {};
  const query = async ({ text }: { text: string }): Promise<{ rows: never[]; rowCount: number }> => {
    const word = Object.keys(answers).find((each) => text.includes(each));
    if (word === undefined) throw new Error(`nothing answers ${text}`);
    asked[word] = (asked[word] ?? 0) + 1;
    const rows = answers[word]!() as never[];
    return { rows, rowCount: rows.length };
  };
  return { executor: { query } as Executor, asked };
}

function refused(code: string): DatabaseError {
  return Object.assign(new DatabaseError('refused', 0, 'error'), { code });
}

const oneTable = {
  tables_of_tenants: () => [{ name: 'app_public.agents', source: 'agents' }],
  pg_constraint: () => [],
  xmax: () => [{ mark: '7' }],
  xmin: () => [{ ended: true }],
  end_tenant_removal: () => [{ left: [] as string[] }],
  'from ops.tenant_removals': () => [{ export_id: null, row_counts: { 'app_public.agents': 1 } }],
};

test('rows that another session holds are asked for thirty times, and then it says so', async () => {
  const { executor, asked } = answering({
    ...oneTable,
    delete_tenant_rows: () => {
      throw refused('55P03');
    },
  });
  await expect(deleteTenant(executor, 'acme', run)).rejects.toThrow(
    'another session has held rows of agents for 30 tries; end it, and run the command again',
  );
  expect(asked['delete_tenant_rows']).toBe(30);
});

test('a transaction that stays open for too long ends it, and it says how to find it', async () => {
  const { executor } = answering({
    ...oneTable,
    delete_tenant_rows: () => [{ count: '0' }],
    xmin: () => [{ ended: false }],
  });
  await expect(deleteTenant(executor, 'acme', run)).rejects.toThrow(
    /^a transaction that began before has been open for .* minutes, and may still write rows of the tenant; end it \(select \* from pg_stat_activity/,
  );
});

test('requests that do not end are waited for no longer than told, and the deletion goes on', async () => {
  const { executor, asked } = answering({
    clock_timestamp: () => [{ at: 'now' }],
    pg_stat_activity: () => [{}],
  });
  await requestsToEnd(executor, 'lightning_anon', run);
  expect(asked['pg_stat_activity']).toBeGreaterThan(1);
});

test('a table that has new rows after every pass ends it with the name of the table', async () => {
  const { executor, asked } = answering({
    ...oneTable,
    delete_tenant_rows: () => [{ count: '1' }],
    end_tenant_removal: () => [{ left: ['app_public.agents'] }],
  });
  await expect(deleteTenant(executor, 'acme', run)).rejects.toThrow(
    'app_public.agents had new rows of tenant acme after each of 20 passes; find out what writes them, and run the command again',
  );
  expect(asked['end_tenant_removal']).toBe(20);
});

test('rows that a table without tenants refers to end it with what the database says', async () => {
  const { executor } = answering({
    ...oneTable,
    delete_tenant_rows: () => {
      throw refused('23503');
    },
    delete_tenant_circle: () => {
      throw refused('23001');
    },
  });
  await expect(deleteTenant(executor, 'acme', run)).rejects.toThrow(
    'rows of agents cannot be deleted: refused; delete the rows that refer to them, and run the command again',
  );
});

test('other errors come through, and a signal ends it with its reason', async () => {
  const broken = answering({
    ...oneTable,
    delete_tenant_rows: () => {
      throw refused('XX000');
    },
  });
  await expect(deleteTenant(broken.executor, 'acme', run)).rejects.toMatchObject({ code: 'XX000' });
  const endless = answering({ ...oneTable, delete_tenant_rows: () => [{ count: '10000' }] });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('ended by SIGTERM')), 30);
  await expect(deleteTenant(endless.executor, 'acme', { ...run, signal: controller.signal })).rejects.toThrow(
    'ended by SIGTERM',
  );
});

test('sessions and keys go first, tables before those that they refer to, and the outbox last', () => {
  const references = [
    { from: 'app_public.b', to: 'app_public.a' },
    { from: 'app_public.c', to: 'app_public.b' },
    { from: 'app_public.a', to: 'app_public.tenants' },
    { from: 'app_public.elsewhere', to: 'app_public.a' },
    { from: 'app_public.x', to: 'app_public.y' },
    { from: 'app_public.y', to: 'app_public.x' },
  ];
  const names = ['app_private.events', 'app_public.a', 'app_public.b', 'app_public.c', 'app_public.sessions'];
  expect(deletionOrder([...names, 'app_public.x', 'app_public.y'], references)).toEqual([
    'app_public.sessions',
    'app_public.c',
    'app_public.b',
    'app_public.a',
    'app_public.y',
    'app_public.x',
    'app_private.events',
  ]);
});

test('a batch grows to what takes as long as it may, and shrinks at once', () => {
  expect(nextSize(200, 5, 50)).toBe(400);
  expect(nextSize(200, 40, 50)).toBe(250);
  expect(nextSize(1_000, 500, 50)).toBe(100);
  expect(nextSize(200, 100_000, 50)).toBe(20);
  expect(nextSize(9_000, 0, 50)).toBe(10_000);
});
