import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimsOf } from '../../src/auth/claims.ts';
import { asRequester } from '../../src/auth/requester.ts';
import { createLogin } from '../../src/commands/login.ts';
import { createTenant, setTenantSuspended } from '../../src/commands/tenant.ts';
import { sql } from '../../src/db/statement.ts';
import { installationIn } from '../support/installation.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import type { OwnServer } from '../support/postgres/own-server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';

describe.skipIf(noServer || !readyServer().binDirectory)('an analyst who listens in a transaction', () => {
  let server: OwnServer;
  let mallory: Client;

  beforeAll(async () => {
    // The smallest queue that Postgres takes; on other servers it has 8 GB.
    server = await startOwnServer(readyServer().binDirectory!, {
      commandLine: ['-c', 'max_notify_queue_pages=64'],
    });
  });
  afterAll(async () => {
    await mallory?.end().catch(() => {});
    await server?.stop();
  });

  test("fills the queue of notifications, and nobody else's write fails; the worker's look ends it", async () => {
    const operator = installationIn(serverDatabase(server.urls.migrate));
    const api = installationIn(serverDatabase(server.urls.api));
    const worker = serverDatabase(server.urls.worker);
    try {
      await createTenant(operator, 'acme', 'Acme');
      const password = await createLogin(operator, 'mallory', 'default');
      const url = Object.assign(new URL(server.adminUrl), { username: 'mallory', password }).href;
      mallory = new Client({ connectionString: url });
      mallory.on('error', () => {});
      const other = new Client({ connectionString: url });
      other.on('error', () => {});
      await Promise.all([mallory.connect(), other.connect()]);
      await mallory.query('listen flood');
      await mallory.query('begin; select 1');
      const flood = async () => {
        for (let i = 0; i < 100; i += 1)
          await other.query(`do $$ begin
            for i in 1..50 loop execute format('notify flood, %L', i || repeat('x', 7000)); end loop;
          end $$`);
      };
      await expect(flood()).rejects.toThrow('too many notifications in the NOTIFY queue');

      const service = asRequester(api, claimsOf('service', 'acme', 'test'));
      const { rowCount } = await service.query(
        sql`insert into app_public.tasks (description) values ('while the queue is full') returning id`,
      );
      expect(rowCount).toBe(1);
      await setTenantSuspended(operator, 'default', true);

      await expect
        .poll(
          async () =>
            (
              await worker.query<{ reason: string }>(
                sql`select e ->> 'reason' as reason from ops.end_excesses() e`,
              )
            ).rows[0]?.reason,
          { timeout: 20_000 },
        )
        .toBe('notifications');
      await expect(mallory.query('select 1')).rejects.toThrow(/terminat|not queryable/i);
      // Postgres gives the room back when somebody asks how full the queue is, as each write does.
      await service.query(sql`insert into app_public.tasks (description) values ('afterwards')`);
      await other.query("notify flood, 'there is room again'");
      await other.end();
    } finally {
      await Promise.all([operator.database.close(), api.database.close(), worker.close()]);
    }
  });
});
