import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightningHere } from '../support/lightning-here.ts';
import { makeReplaced } from '../support/replaced-migrations.ts';
import { noServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

/** Commands that open the configured database, with arguments under which they would do their work. */
const opening: Readonly<Record<string, readonly string[]>> = {
  start: [],
  work: [],
  migrate: [],
  jobs: [],
  'jobs run': ['trim_events'],
  alerts: [],
  'tenant create': ['acme'],
  'tenant list': [],
  'tenant suspend': ['default'],
  'tenant resume': ['default'],
  'tenant delete': ['default', '--yes'],
  'login create': ['ann', '--tenant', 'default'],
  'login rotate': ['ann'],
  'login drop': ['ann'],
  'login limit': ['ann'],
  'login list': [],
  'key create': ['svc', '--tenant', 'default'],
  'key list': [],
  'key revoke': ['0123456789ab'],
  'audit search': ['--tenant', 'default'],
  'audit history': ['agents', 'a', '--tenant', 'default'],
  'audit as-of': ['agents', 'a', '2026-01-31T12:00:00Z', '--tenant', 'default'],
  retention: ['--dry-run'],
  import: ['FOLDER'],
  export: [],
  'writes stop': ['--reason', 'maintenance'],
  'writes start': [],
  'rollback to-memory': ['FOLDER/way'],
  backup: [],
  'backup drill': [],
};

/** Commands that do not refuse the database, with the reasons. */
const others: Readonly<Record<string, string>> = {
  serve: 'starts, and is never ready; /readyz says why',
  status: 'shows the sentence, and what to do',
  setup: 'makes roles and logins before there is a schema',
  rest: 'serves any database, whoever made it',
  token: 'signs, and opens no database',
  config: 'shows the configuration, and opens no database',
  backups: 'reads the store alone',
  'rollback to-database': 'asks for the folder of a rollback first, and none can begin',
  'audit verify': 'verifies the log as it is, also in a copy of another version',
  'backup verify': 'reads the store alone',
  'backup sign': 'reads the store alone',
  restore: 'reads the store alone',
  recover: 'starts the server of another directory',
};

const refused = /the database was made by migrations that were replaced since.*Make a new database/s;

/** The names of all commands that do something, e.g. `jobs run`, as --help lists them. */
async function everyCommand(path: readonly string[] = []): Promise<string[]> {
  const { stdout } = await lightningHere([...path, '--help'], {});
  const [usage = '', rest = ''] = stdout.split('\nCommands:\n');
  // Variables and examples follow.
  const [listed = ''] = rest.split('\n\n');
  const names = [...listed.matchAll(/^ {2}([a-z-]+)/gm)].map((match) => match[1] as string);
  const below = await Promise.all(
    names.filter((name) => name !== 'help').map((name) => everyCommand([...path, name])),
  );
  // A command that only groups others offers `help` among them.
  const acts = path.length > 0 && usage !== '' && !names.includes('help');
  return [...(acts ? [path.join(' ')] : []), ...below.flat()];
}

test('every command either refuses a database of replaced migrations, or has a reason not to', async () => {
  expect((await everyCommand()).toSorted()).toEqual(
    [...Object.keys(opening), ...Object.keys(others)].toSorted(),
  );
});

describe('a database of replaced migrations', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lightning-replaced-'));
    await mkdir(join(folder, 'legacy/agents'), { recursive: true });
    await writeFile(join(folder, 'legacy/agents/agent.json'), '{}');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** The answers of all commands that open the database, in one line each. */
  const answers = async (
    env: Record<string, string>,
    names: readonly string[] = Object.keys(opening),
  ): Promise<object> => {
    const found: Record<string, unknown> = {};
    for (const name of names) {
      const args = opening[name] ?? [];
      const argv = [
        ...name.split(' '),
        ...args.map((arg) => (arg === 'FOLDER' ? join(folder, 'legacy') : arg)),
      ];
      const ended = await Promise.race([
        lightningHere(argv, { BACKUP_STORE: join(folder, 'store'), PORT: '0', ...env }),
        sleep(20_000, null, { ref: false }),
      ]);
      if (ended === null) throw new Error(`lightning ${name} does not end`);
      const { status, stdout, stderr } = ended;
      const message = stderr.split('\n').find((line) => line.startsWith('lightning: ')) ?? '';
      found[name] = { status, stdout, said: refused.test(message) ? 'refused' : message };
    }
    return found;
  };
  const allRefused = Object.fromEntries(
    Object.keys(opening).map((name) => [name, { status: 1, stdout: '', said: 'refused' }]),
  );

  test('that is embedded is refused by every command that opens it', { timeout: 120_000 }, async () => {
    const directory = await migratedDataDirectory();
    try {
      // These begin the database themselves; the others come to a process that has it open.
      const beginning = ['start', 'work'];
      const embedded = await startEmbedded({ dataDirectory: directory });
      let found: object;
      try {
        await makeReplaced(embedded.connectionString);
        const attaching = Object.keys(opening).filter((name) => !beginning.includes(name));
        found = await answers({ DATA_DIR: directory }, attaching);
      } finally {
        await embedded.close();
      }
      expect({ ...found, ...(await answers({ DATA_DIR: directory }, beginning)) }).toEqual(allRefused);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  describe.skipIf(noServer)('on a server', () => {
    let made: MigratedDatabase;
    beforeAll(async () => {
      made = await migratedDatabase();
      await makeReplaced(made.adminUrl);
    });
    afterAll(() => made?.drop());

    const env = () => ({
      DATABASE_URL: made.urls.api,
      MIGRATE_DATABASE_URL: made.urls.migrate,
      WORKER_DATABASE_URL: made.urls.worker,
      BACKUP_DATABASE_URL: made.urls.backup,
      JWT_SECRET: strongSecret,
    });

    test('is refused by every command that opens it', { timeout: 120_000 }, async () => {
      expect(await answers(env())).toEqual(allRefused);
    });

    test("is refused without the worker's login, too", async () => {
      const { WORKER_DATABASE_URL: _, ...withoutWorker } = env();
      for (const command of ['jobs', 'alerts']) {
        const { status, stderr } = await lightningHere([command], withoutWorker);
        expect(stderr).toMatch(refused);
        expect(status).toBe(1);
      }
    });
  });
});
