import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anonymous, claimsOf } from '../../src/auth/claims.ts';
import { requesterSettings, asRequester } from '../../src/auth/requester.ts';
import type { Installation } from '../../src/db/installation.ts';
import type { PostgresDatabase } from '../../src/db/postgres.ts';
import { sql } from '../../src/db/statement.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { installationIn } from '../support/installation.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

test('claims become four settings, and all four are always set', () => {
  const claims = claimsOf('member', 'acme', 'ann');
  expect(requesterSettings(claims, { rolePrefix: 'lightning', requestId: 'r-1' })).toEqual({
    role: 'lightning_member',
    'app.tenant_id': 'acme',
    'request.jwt.claims': claims.json,
    'app.request_id': 'r-1',
  });
  expect(requesterSettings(anonymous, { rolePrefix: 'other' })).toEqual({
    role: 'other_anon',
    'app.tenant_id': '',
    'request.jwt.claims': '{"role":"anon"}',
    'app.request_id': '',
  });
});

describe.skipIf(noServer)('connection settings', () => {
  let fresh: MigratedDatabase;
  let database: PostgresDatabase;
  let installation: Installation;

  beforeAll(async () => {
    fresh = await migratedDatabase();
    // Everybody shares one connection: the next requester would see what one leaves behind.
    database = serverDatabase(fresh.urls.api, { size: 1, overflow: 0 });
    installation = installationIn(database);
  });
  afterAll(async () => {
    await database?.close();
    await fresh?.drop();
  });

  const as = (subject: string) =>
    asRequester(installation, claimsOf('service', 'default', subject), { requestId: 'r-1' });
  const look = sql`select current_user::text as role, current_setting('app.tenant_id') as tenant,
    current_setting('request.jwt.claims')::jsonb ->> 'sub' as subject, current_setting('app.request_id') as request`;

  test('are those of the requester of each statement', async () => {
    for (const subject of ['ann', 'bob', 'ann']) {
      const seen = { role: 'lightning_service', tenant: 'default', subject, request: 'r-1' };
      expect((await as(subject).query(look)).rows).toEqual([seen]);
      const rows = await as(subject).transaction(async (t) => (await t.query(look)).rows);
      expect(rows).toEqual([seen]);
    }
    const none = await asRequester(installation, anonymous).query(look);
    expect(none.rows).toEqual([{ role: 'lightning_anon', tenant: '', subject: null, request: '' }]);
  });

  test('cannot be changed by a statement for the next requester on the connection', async () => {
    await as('ann')
      .query(
        sql`select set_config('app.tenant_id', 'rival', false), set_config('role', 'lightning_admin', false)`,
      )
      .catch(() => {});
    const { rows } = await as('bob').query(look);
    expect(rows).toMatchObject([{ role: 'lightning_service', tenant: 'default', subject: 'bob' }]);
  });

  test('give a row that is written the tenant of the claims', async () => {
    await as('ann').query(sql`insert into agents (id, name, model) values ('a', 'A', 'm')`);
    expect((await as('bob').query(sql`select tenant_id, id from agents`)).rows).toEqual([
      { tenant_id: 'default', id: 'a' },
    ]);
    const other = asRequester(installation, claimsOf('service', 'nowhere', 'eve'), { requestId: 'r-1' });
    expect((await other.query(sql`select * from agents`)).rows).toEqual([]);
    await expect(
      other.query(sql`insert into agents (id, name, model) values ('a', 'A', 'm')`),
    ).rejects.toMatchObject({ code: '23503', constraint: 'agents_tenant_id_fkey' });
  });
});
