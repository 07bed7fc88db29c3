import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freshDatabase } from '../db.ts';
import { noServer, readyServer } from '../server.ts';
import { provideServer } from './provide.ts';

let cache: string;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'agent-lightning-provide-test-'));
});

afterEach(() => rm(cache, { recursive: true }));

test('LIGHTNING_TEST_NO_SERVER=1 forbids a server, and the reason says so', async () => {
  const env = { LIGHTNING_TEST_NO_SERVER: '1', TEST_DATABASE_URL: 'postgresql://127.0.0.1:9/never-asked' };
  expect(await provideServer({ env })).toEqual({
    kind: 'unavailable',
    reason: 'LIGHTNING_TEST_NO_SERVER=1 forbids it',
  });
});

test('a download that was cut short is never taken for a server', async ({ skip }) => {
  // As an interrupted build would look if it were not built beside its place: programs, but no mark of the end.
  const half = join(cache, 'postgres-17', 'usr', 'lib', 'postgresql', '17', 'bin');
  await mkdir(half, { recursive: true });
  await writeFile(join(half, 'postgres'), '#!/bin/sh\necho "postgres (PostgreSQL) 17.99"\n', { mode: 0o755 });
  const said: string[] = [];
  const provided = await provideServer({ env: nothingInstalled, cache, say: (line) => said.push(line) });
  if (provided.kind === 'ready') {
    await provided.stop();
    return skip('this machine has a Postgres 17 of its own, which is found before the download is looked at');
  }
  expect(provided.reason).toMatch(/no Postgres 17 with pgvector here .* none to be had from Debian/);
  expect(provided.reason).toContain('no program apt-config found');
  expect(await readdir(cache)).toEqual(['postgres-17']);
});

describe('the server that TEST_DATABASE_URL names', () => {
  test('is refused loudly, without its password, when it does not answer', async () => {
    const env = { ...process.env, TEST_DATABASE_URL: 'postgresql://postgres:secret@127.0.0.1:9/postgres' };
    const failure = await provideServer({ env, cache }).catch(String);
    expect(failure).toMatch(/TEST_DATABASE_URL names a server that the tests cannot use: .*ECONNREFUSED/);
    expect(failure).not.toContain('secret');
  });

  // The run's server plays the part of a server that somebody else started.
  describe.skipIf(noServer)('when it is a real one', () => {
    test('is used as it is, and left running by stop', async () => {
      const { adminUrl, version } = readyServer();
      const provided = await provideServer({ env: { ...process.env, TEST_DATABASE_URL: adminUrl } });
      expect(provided).toMatchObject({ kind: 'ready', adminUrl, version });
      if (provided.kind === 'ready') await provided.stop();
      await ask(adminUrl, 'select 1');
    });

    test('is refused to a login that is no superuser', async () => {
      const { adminUrl } = readyServer();
      const database = await freshDatabase(adminUrl);
      const login = `plain_${process.pid}`;
      await ask(adminUrl, `create role ${login} login password 'plain'`);
      try {
        const url = new URL(database.url);
        url.username = login;
        url.password = 'plain';
        const provided = provideServer({ env: { ...process.env, TEST_DATABASE_URL: url.href }, cache });
        await expect(provided).rejects.toThrow('its user is not a superuser');
      } finally {
        await database.drop();
        await ask(adminUrl, `drop role ${login}`);
      }
    });
  });
});

/** An environment in which no program is found by its name. */
const nothingInstalled: NodeJS.ProcessEnv = { PATH: '' };

async function ask(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
