import { chmod, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freshDatabase } from '../db.ts';
import { noServer, readyServer } from '../server.ts';
import { findInstalledBinaries } from './binaries.ts';
import { provideServer } from './provide.ts';
import { serverUser } from '../../../src/programs/server-user.ts';

/** An environment in which no program is found by name. */
const nothingOnPath: NodeJS.ProcessEnv = { PATH: '' };

let cache: string;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'agent-lightning-provide-test-'));
  await chmod(cache, 0o755); // the server's user reads this directory
});

afterEach(() => rm(cache, { recursive: true }));

test('LIGHTNING_TEST_NO_SERVER=1 forbids a server, and the reason says so', async () => {
  const env = { LIGHTNING_TEST_NO_SERVER: '1', TEST_DATABASE_URL: 'postgresql://127.0.0.1:9/never-asked' };
  expect(await provideServer({ env })).toEqual({
    kind: 'unavailable',
    reason: 'LIGHTNING_TEST_NO_SERVER=1 forbids it',
  });
});

// The downloads are used only when none of the usual places holds a usable Postgres.
const installed = await findInstalledBinaries(nothingOnPath, await serverUser());

describe.skipIf(noServer || !readyServer().binDirectory || !('lacking' in installed))(
  'a downloaded folder',
  () => {
    let folder: string;

    beforeEach(async () => {
      // All these programs run, so only the mark decides.
      folder = join(await realpath(cache), 'postgres-17');
      const versionFolder = join(folder, 'usr', 'lib', 'postgresql', '17');
      await mkdir(versionFolder, { recursive: true });
      await symlink(readyServer().binDirectory!, join(versionFolder, 'bin'));
    });

    const provide = () => provideServer({ env: nothingOnPath, cache: dirname(folder), say: () => {} });

    test('is used when it is complete and was made for this path', async () => {
      await writeFile(join(folder, 'built-for'), folder);
      const provided = await provide();
      expect(provided).toMatchObject({ kind: 'ready', version: readyServer().version });
      if (provided.kind === 'ready') await provided.stop();
    });

    test('is not used when it is incomplete, whatever it holds', async () => {
      expect(await provide()).toMatchObject({
        kind: 'unavailable',
        reason: expect.stringMatching(
          /^no Postgres 17 with pgvector here .* none available from Debian .*apt-config/,
        ),
      });
    });

    test('is never replaced once complete, because servers may run from it; the reason says to remove it', async () => {
      await writeFile(join(folder, 'built-for'), folder);
      await rm(join(folder, 'usr', 'lib', 'postgresql', '17', 'bin'));
      expect(await provide()).toMatchObject({
        kind: 'unavailable',
        reason: expect.stringMatching(
          /does not run here .*; remove .*postgres-17 to have it downloaded anew$/,
        ),
      });
      expect(await readdir(folder)).toContain('built-for');
    });

    test('is not used when it was built for another path, as in a moved checkout', async () => {
      await writeFile(join(folder, 'built-for'), `${folder}-elsewhere`);
      expect(await provide()).toMatchObject({ kind: 'unavailable' });
    });
  },
);

describe('the server that TEST_DATABASE_URL names', () => {
  test('is refused loudly, without its password, when it does not answer', async () => {
    const env = {
      PATH: process.env['PATH'],
      TEST_DATABASE_URL: 'postgresql://postgres:secret@127.0.0.1:9/postgres',
    };
    const failure = await provideServer({ env, cache }).catch(String);
    expect(failure).toMatch(/TEST_DATABASE_URL names a server that the tests cannot use: .*ECONNREFUSED/);
    expect(failure).not.toContain('secret');
  });

  // The run's own server stands in for a server that another program started.
  describe.skipIf(noServer)('when it is a real one', () => {
    test('is used unchanged, and stop leaves it running', async () => {
      const { adminUrl, version } = readyServer();
      const provided = await provideServer({
        env: { PATH: process.env['PATH'], TEST_DATABASE_URL: adminUrl },
      });
      expect(provided).toMatchObject({ kind: 'ready', adminUrl, version });
      if (provided.kind === 'ready') await provided.stop();
      await ask(adminUrl, 'select 1');
    });

    test('is refused when its login is not a superuser', async () => {
      const { adminUrl } = readyServer();
      const database = await freshDatabase(adminUrl);
      const login = `plain_${process.pid}`;
      await ask(adminUrl, `create role ${login} login password 'plain'`);
      try {
        const url = new URL(database.url);
        url.username = login;
        url.password = 'plain';
        const provided = provideServer({
          env: { PATH: process.env['PATH'], TEST_DATABASE_URL: url.href },
          cache,
        });
        await expect(provided).rejects.toThrow('its user is not a superuser');
      } finally {
        await database.drop();
        await ask(adminUrl, `drop role ${login}`);
      }
    });
  });
});

async function ask(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
