import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { lightning, spawnLightning, startLightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

/** A command line, the settings that it needs on a server, and what it says when it has done its work. */
interface Asking {
  readonly args: readonly string[];
  readonly needs: readonly string[];
  readonly says: RegExp;
}

/** Belongs to the whole server. */
const analyst = `analyst_${randomBytes(3).toString('hex')}`;

/** Every command that ends by itself and needs no server of its own. `FOLDER` stands for a folder of this file. */
const asking: Readonly<Record<string, Asking>> = {
  migrate: { args: [], needs: ['MIGRATE_DATABASE_URL'], says: /the schema is current/ },
  'tenant create': { args: ['acme'], needs: ['MIGRATE_DATABASE_URL'], says: /tenant acme exists/ },
  'tenant list': { args: [], needs: ['MIGRATE_DATABASE_URL'], says: /^default\t/m },
  'tenant suspend': { args: ['acme'], needs: ['MIGRATE_DATABASE_URL'], says: /is suspended/ },
  'tenant resume': { args: ['acme'], needs: ['MIGRATE_DATABASE_URL'], says: /is active/ },
  import: { args: ['FOLDER/legacy'], needs: ['MIGRATE_DATABASE_URL'], says: /in all: read/ },
  'login create': {
    args: [analyst, '--tenant', 'default'],
    needs: ['MIGRATE_DATABASE_URL'],
    says: /^\S{32}$/m,
  },
  'login rotate': { args: [analyst], needs: ['MIGRATE_DATABASE_URL'], says: /^\S{32}$/m },
  'login drop': { args: [analyst], needs: ['MIGRATE_DATABASE_URL'], says: /was removed/ },
  jobs: { args: [], needs: ['WORKER_DATABASE_URL'], says: /^/ },
  alerts: { args: [], needs: ['WORKER_DATABASE_URL'], says: /^/ },
  retention: { args: ['--dry-run'], needs: ['WORKER_DATABASE_URL'], says: /would be removed/ },
  token: { args: [], needs: ['JWT_SECRET'], says: /^eyJ/ },
  backups: { args: [], needs: ['BACKUP_STORE'], says: /holds no backups/ },
};

describe.skipIf(noServer)('on a server, with everything else unset', () => {
  let made: MigratedDatabase;
  let folder: string;
  let settings: Record<string, string>;
  beforeAll(async () => {
    made = await migratedDatabase();
    folder = await mkdtemp(join(tmpdir(), 'lightning-settings-'));
    await chmod(folder, 0o755);
    await mkdir(join(folder, 'legacy/.agent-configs'), { recursive: true });
    await writeFile(join(folder, 'legacy/.agent-configs/agent.json'), '{}');
    await mkdir(join(folder, 'store'));
    settings = {
      DATABASE_URL: made.urls.api,
      MIGRATE_DATABASE_URL: made.urls.migrate,
      WORKER_DATABASE_URL: made.urls.worker,
      BACKUP_DATABASE_URL: made.urls.backup,
      JWT_SECRET: strongSecret,
      BACKUP_STORE: join(folder, 'store'),
    };
  }, 60_000);
  afterAll(async () => {
    await made?.drop();
    await rm(folder, { recursive: true, force: true });
  });
  const only = (...names: string[]): Record<string, string> => ({
    DB_ROLE_PREFIX: testRolePrefix,
    ...Object.fromEntries(names.map((name) => [name, settings[name] ?? ''])),
  });

  // First: graphile-worker makes its tables at a worker's first start, and other commands read them.
  test('work asks for what it uses', async () => {
    const worker = spawnLightning(['work'], only('WORKER_DATABASE_URL'));
    await expect.poll(() => hasQueue(made.adminUrl), { timeout: 30_000 }).toBe(true);
    worker.process.kill('SIGTERM');
    expect((await worker.ended).status).toBe(0);
    const { WORKER_DATABASE_URL: _, ...others } = settings;
    const refused = await lightning(['work'], others);
    expect(refused.stderr).toContain('WORKER_DATABASE_URL is missing');
    expect(refused.status).toBe(1);
  }, 60_000);

  test.each(Object.entries(asking))(
    '%s asks for what it uses',
    async (name, { args, needs, says }) => {
      const argv = [...name.split(' '), ...args.map((arg) => arg.replace('FOLDER', folder))];
      const done = await lightning(argv, only(...needs), folder);
      expect(done.status, done.stderr).toBe(0);
      expect(`${done.stdout}${done.stderr}`).toMatch(says);
      // Every other setting there, and these not: the command names one that is missing.
      const others = Object.keys(settings).filter((each) => !needs.includes(each) && !replaces(name, each));
      const refused = await lightning(argv, only(...others), folder);
      expect(refused.status).not.toBe(0);
      expect(refused.stderr).toMatch(new RegExp(`(?:${needs.join('|')}) (?:is missing|or \\w+ to be set)`));
    },
    60_000,
  );

  test.each([
    ['serve', ['DATABASE_URL', 'JWT_SECRET']],
    ['start', ['DATABASE_URL', 'JWT_SECRET', 'MIGRATE_DATABASE_URL', 'WORKER_DATABASE_URL']],
  ])(
    '%s asks for what it uses',
    async (command, needs) => {
      const started = await startLightning(only(...needs), [command]);
      try {
        expect((await fetch(`${started.url}/readyz`)).status).toBe(200);
      } finally {
        expect((await started.stop()).status).toBe(0);
      }
      for (const lacking of needs) {
        const others = Object.keys(settings).filter((name) => name !== lacking);
        const refused = await lightning([command], { ...only(...others), PORT: '0' });
        expect(refused.stderr).toContain(`${lacking} is missing`);
        expect(refused.status).not.toBe(0);
      }
    },
    120_000,
  );

  test('status looks at whatever is set', async () => {
    for (const name of [
      'DATABASE_URL',
      'MIGRATE_DATABASE_URL',
      'WORKER_DATABASE_URL',
      'BACKUP_DATABASE_URL',
    ]) {
      const { stdout } = await lightning(['status'], only(name));
      expect(stdout).toMatch(new RegExp(`^ok +configured +the server \\S+, because of ${name} in`, 'm'));
      expect(stdout).toMatch(new RegExp(`^ok +${name} +agent_\\w+, answered in`, 'm'));
      // The login of backups reads nothing of the schema.
      expect(/^ok +schema +current$/m.test(stdout), name).toBe(name !== 'BACKUP_DATABASE_URL');
    }
  }, 120_000);

  test('status names every login with its own answer', async () => {
    const changed = (url: string, change: Partial<URL>): string => Object.assign(new URL(url), change).href;
    const { stdout, status } = await lightning(['status', '--check'], {
      ...only(...Object.keys(settings)),
      DATABASE_URL: changed(made.urls.api, { password: 'wrong' }),
      LISTEN_DATABASE_URL: changed(made.urls.api, { port: '1' }),
      WORKER_DATABASE_URL: changed(made.urls.worker, { username: 'nobody_such' }),
      BACKUP_DATABASE_URL: changed(made.urls.backup, { pathname: '/no_such_database' }),
    });
    expect(status).toBe(3);
    expect(stdout).toMatch(
      /^MEND DATABASE_URL +password authentication failed for user "agent_user"\n.*set DATABASE_URL/m,
    );
    expect(stdout).toMatch(
      /^MEND LISTEN_DATABASE_URL +the server does not answer at \S+:1 \(connect ECONNREFUSED/m,
    );
    expect(stdout).toMatch(
      /^MEND WORKER_DATABASE_URL +password authentication failed for user "nobody_such"$/m,
    );
    expect(stdout).toMatch(
      /^MEND BACKUP_DATABASE_URL +database "no_such_database" does not exist\n.*lightning setup/m,
    );
    expect(stdout).toMatch(/^ok +MIGRATE_DATABASE_URL +agent_migrate, answered in/m);
    // What can still be seen is seen, through the login that works.
    expect(stdout).toMatch(/^ok +schema +current$/m);
    expect(stdout).not.toContain('hunter2');
    expect(stdout).not.toContain('wrong');
  }, 60_000);

  test('status names the server that is away for each login, and exits with 1', async () => {
    const away = Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [
        name,
        name.endsWith('DATABASE_URL') ? Object.assign(new URL(value), { port: '1' }).href : value,
      ]),
    );
    const { stdout, status } = await lightning(['status'], { DB_ROLE_PREFIX: testRolePrefix, ...away });
    expect(stdout.match(/^MEND \w*DATABASE_URL +the server does not answer at /gm)).toHaveLength(4);
    expect(status).toBe(1);
  }, 60_000);
});

async function hasQueue(url: string): Promise<boolean> {
  const admin = new Client({ connectionString: url });
  await admin.connect();
  try {
    const { rows } = await admin.query(
      "select from pg_class where oid = to_regclass('graphile_worker.jobs')",
    );
    return rows.length > 0;
  } finally {
    await admin.end();
  }
}

/** Whether a setting may stand in for one that a command needs. */
function replaces(command: string, setting: string): boolean {
  return ['jobs', 'alerts'].includes(command) && setting === 'MIGRATE_DATABASE_URL';
}
