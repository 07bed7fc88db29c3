import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/parse-config.ts';
import type { Database } from '../../../src/db/database.ts';
import { apiDatabase, openConnections } from '../../../src/open-database.ts';
import { migratedDataDirectory } from '../../support/embedded-template.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { startOwnServer, startRestored } from '../../support/postgres/own-server.ts';
import { noServer, readyServer } from '../../support/server.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { as, asWorker, claimAll, complete, stateOf, workOff } from '../../support/workflow.ts';
import { runIntoTheMiddle } from './the-middle.ts';
import type { Middle } from './the-middle.ts';

const script = fileURLToPath(new URL('into-the-middle.ts', import.meta.url));

/** The fault struck in the middle: inside of the transaction the step was done, for all others it was not. */
function expectTheMiddle({ claimed, before, inside }: Middle): void {
  expect(Object.keys(claimed).toSorted()).toEqual(['archive', 'check', 'illustrate']);
  expect(before).toMatchObject({ workflow: 'running', draft: 'completed', check: 'running', fix: 'pending' });
  expect(inside).toEqual({ check: 'completed', fix: 'running' });
}

/** After the crash: as a whole the completion did not happen, what was before it did, and the workflow comes to its end. */
async function expectToGoOn(database: Database, admin: Client, { id, claimed, before }: Middle) {
  const service = as(database, 'service');
  expect(await stateOf(service, id)).toEqual(before);
  // The leases are still held.
  expect((await claimAll(service, id)).size).toBe(0);
  const { check, illustrate, archive } = claimed;
  await admin.query(
    "update app_public.task_leases set expires_at = now() - interval '1 second' where task_id = $1",
    [check?.task_id],
  );
  expect(await asWorker(admin, 'select ops.reap_expired_leases() as count')).toEqual([{ count: 1 }]);
  const second = (await claimAll(service, id)).get('check');
  expect(second?.task_id).toBe(check?.task_id);
  await expect(complete(service, check)).rejects.toMatchObject({ code: 'LTQ02' });
  // Two agents outlived the crash, and their tokens are good.
  for (const task of [second, illustrate, archive]) await complete(service, task);
  expect(await workOff(service, id)).toEqual(['fix', 'publish', 'announce']);
  expect(new Set(Object.values(await stateOf(service, id)))).toEqual(new Set(['completed']));
}

/** What the process to be killed prints once it is in the middle. */
async function firstLine(output: Readable): Promise<Middle> {
  for await (const line of createInterface(output)) return JSON.parse(line) as Middle;
  throw new Error('the process ended before it came into the middle; its error is above');
}

describe('a workflow whose database is killed while a step is completed', () => {
  test('goes on where it was, embedded: kill -9 of the process', { timeout: 120_000 }, async () => {
    const directory = await migratedDataDirectory();
    const child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const middle = await firstLine(child.stdout);
      expectTheMiddle(middle);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');

      const config = parseConfig({ DATA_DIR: directory, DB_ROLE_PREFIX: testRolePrefix });
      const connections = await openConnections(config, () => {}, { attach: false });
      const database = apiDatabase(connections, config, () => {});
      const admin = new Client({ connectionString: connections.api! });
      try {
        await admin.connect();
        await expectToGoOn(database, admin, middle);
      } finally {
        await admin.end();
        await database.close();
        await connections.close();
      }
    } finally {
      child.kill('SIGKILL');
      await rm(directory, { recursive: true, force: true });
    }
  });

  test.skipIf(noServer)(
    'goes on where it was, on a server: kill -9 of its main process',
    { timeout: 120_000 },
    async ({ skip }) => {
      const { binDirectory } = readyServer();
      if (binDirectory === undefined) return skip('there are no programs to start a server with');
      const own = await startOwnServer(binDirectory);
      const lost = new Client({ connectionString: own.adminUrl });
      lost.on('error', () => {});
      await lost.connect();
      const first = serverDatabase(own.urls.api);
      const middle = await runIntoTheMiddle(first, lost);
      expectTheMiddle(middle);
      await own.crash();
      await expect(first.query({ text: 'select 1' })).rejects.toMatchObject({ name: 'DatabaseUnavailable' });
      await first.close();
      await lost.end().catch(() => {});

      const again = await startRestored(binDirectory, own.dataDirectory);
      const database = serverDatabase(again.at(own.urls.api));
      const admin = new Client({ connectionString: again.at(own.adminUrl) });
      try {
        await admin.connect();
        await expectToGoOn(database, admin, middle);
      } finally {
        await admin.end();
        await database.close();
        await again.stop();
      }
    },
  );
});
