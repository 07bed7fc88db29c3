import { Client, DatabaseError } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withRole } from '../../src/db/connection-url.ts';
import type { Database } from '../../src/db/database.ts';
import { ServerTroubles } from '../../src/db/server-troubles.ts';
import { tellTroubles } from '../../src/jobs/tell-troubles.ts';
import type { LogEntry } from '../../src/log.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

const fullDisk = Object.assign(new DatabaseError('could not extend file "base/5/1"', 1, 'error'), {
  code: '53100',
});

describe.skipIf(noServer)('the alerts of a server in trouble', () => {
  let made: MigratedDatabase;
  let database: Database;
  let admin: Client;
  beforeAll(async () => {
    made = await migratedDatabase();
    database = serverDatabase(withRole(made.urls.worker, 'lightning_worker'));
    admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    await database?.close();
    await admin?.end();
    await made?.drop();
  });

  test('come once, stay while any worker met the trouble, and are resolved ten minutes later', async () => {
    const log: LogEntry[] = [];
    const tell = (troubles: ServerTroubles, told = new Set<string>()) =>
      tellTroubles(
        { database, troubles, alertWebhook: null, log: (entry) => log.push(entry) },
        told,
        new AbortController().signal,
      );
    const open = async () =>
      (
        await admin.query(
          `select subject, message from ops.alerts where kind = 'server_troubles' and resolved_at is null`,
        )
      ).rows;
    const met = new ServerTroubles((entry) => log.push(entry));
    for (let n = 0; n < 50; n += 1) met.note(fullDisk);
    expect(log.map(({ event, level }) => [event, level])).toEqual([['server-trouble', 'error']]);
    const told = new Set<string>();
    await tell(met, told);
    await tell(met, told);
    const another = new ServerTroubles(() => {});
    await tell(another);
    expect(await open()).toEqual([
      { subject: '53100', message: 'the database reports 53100: could not extend file "base/5/1"' },
    ]);
    await admin.query(
      `update ops.alerts set last_seen_at = now() - interval '11 minutes' where kind = 'server_troubles'`,
    );
    await tell(another);
    expect(await open()).toEqual([]);
    expect(log.slice(1).map(({ event }) => event)).toEqual(['alert-raised', 'alert-resolved']);
  });

  test('are not made of errors of requests, or that a function raised', () => {
    const log: LogEntry[] = [];
    const troubles = new ServerTroubles((entry) => log.push(entry));
    troubles.note(Object.assign(new DatabaseError('duplicate', 1, 'error'), { code: '23505' }));
    troubles.note(
      Object.assign(new DatabaseError('mine', 1, 'error'), { code: 'XX000', routine: 'exec_stmt_raise' }),
    );
    troubles.note(new Error('no space left on device'));
    expect(log).toEqual([]);
  });
});
