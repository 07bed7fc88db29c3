import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { roleName } from '../../src/db/roles.ts';
import { trimEvents } from '../../src/jobs/trim-events.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

describe.skipIf(noServer)('trimming the outbox, as the worker', () => {
  let fresh: MigratedDatabase;
  let admin: Client;
  let slow: Client;
  let worker: Database;

  beforeAll(async () => {
    fresh = await migratedDatabase();
    [admin, slow] = [new Client(fresh.adminUrl), new Client(fresh.adminUrl)];
    await Promise.all([admin.connect(), slow.connect()]);
    worker = serverDatabase(fresh.urls.worker);
  });
  afterAll(async () => {
    await Promise.all([admin?.end(), slow?.end(), worker?.close()]);
    await fresh?.drop();
  });

  const asWorker = {
    query: <Row>(statement: Parameters<Database['query']>[0]) =>
      worker.queryWith<Row>({ role: roleName(testRolePrefix, 'worker') }, statement),
  };
  const insert = (client: Client, description: string) =>
    client.query(`insert into app_public.tasks (tenant_id, description) values ('default', $1)`, [
      description,
    ]);
  const count = async (table: string): Promise<number> =>
    (await admin.query<{ count: number }>(`select count(*)::int as count from app_private.${table}`)).rows[0]!
      .count;
  /** Moves everything that happened this far into the past. */
  const letPass = (interval: string) =>
    admin.query(`update app_private.event_marks set at = at - $1::interval`, [interval]);

  test('removes events that were readable for an hour, and keeps those written then but committed later', async () => {
    await slow.query('begin');
    await insert(slow, 'begun long ago');
    await insert(admin, 'old');
    expect(await trimEvents(asWorker)).toBe(0);
    await slow.query('commit');
    await insert(admin, 'newer');
    await letPass('59 minutes');
    expect(await trimEvents(asWorker)).toBe(0);
    expect(await count('events')).toBe(3);
    await letPass('2 minutes');
    expect(await trimEvents(asWorker)).toBe(1);
    await letPass('59 minutes');
    expect(await trimEvents(asWorker)).toBe(2);
    expect(await count('events')).toBe(0);
  });

  test('keeps only the marks that it needs', async () => {
    for (let i = 0; i < 30; i += 1) {
      await trimEvents(asWorker);
      await letPass('5 minutes');
    }
    expect(await count('event_marks')).toBeLessThan(15);
    const { rows } = await admin.query(
      'select count(*)::int as count from app_private.event_marks where trimmed',
    );
    expect(rows).toEqual([{ count: 1 }]);
  });
});
