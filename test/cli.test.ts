import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTenant } from '../src/commands/tenant.ts';
import { takeEnvironment } from '../src/environment.ts';
import { migratedDatabase } from './support/db.ts';
import type { MigratedDatabase } from './support/db.ts';
import { migratedDataDirectory } from './support/embedded-template.ts';
import { serverDatabase } from './support/server-database.ts';
import { lightning, startLightning } from './support/lightning.ts';
import type { Started } from './support/lightning.ts';
import { noServer } from './support/server.ts';
import { installationIn } from './support/installation.ts';
import { strongSecret } from './support/token-keys.ts';

const secret = strongSecret;

interface GraphqlAnswer {
  readonly data?: unknown;
  readonly errors?: readonly { message: string }[];
}

async function graphql(
  { url, token }: Pick<Started, 'url' | 'token'>,
  query: string,
  variables: object = {},
): Promise<{ status: number; body: GraphqlAnswer }> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, body: (await response.json()) as GraphqlAnswer };
}

const createTask =
  'mutation ($d: String!) { createTask(input: { task: { description: $d } }) { task { id } } }';

/** Every variable that libpq or node-postgres reads, as exported by a user with a server of their own, and a few similar ones. */
const foreign = {
  ...Object.fromEntries(
    (
      'PGSERVICE PGREQUIREAUTH PGREQUIRESSL PGSSLCOMPRESSION PGSSLCERTMODE PGSSLCRL PGSSLCRLDIR PGSSLSNI PGREQUIREPEER ' +
      'PGGSSENCMODE PGKRBSRVNAME PGGSSLIB PGGSSDELEGATION PGTARGETSESSIONATTRS PGLOADBALANCEHOSTS PGMINPROTOCOLVERSION ' +
      'PGMAXPROTOCOLVERSION PGDATESTYLE PGTZ PGGEQO PGHOSTADDR PGUSER PGDATABASE PGPASSWORD PGAPPNAME PGBINARY PGREPLICATION'
    )
      .split(' ')
      .map((name) => [name, 'foreign']),
  ),
  ...Object.fromEntries(
    'PGPASSFILE PGSERVICEFILE PGSYSCONFDIR PGLOCALEDIR PGDATA PGSSLCERT PGSSLKEY PGSSLROOTCERT'
      .split(' ')
      .map((name) => [name, '/nowhere']),
  ),
  PGHOST: '192.0.2.1',
  PGPORT: '5433',
  PGOPTIONS: '-c role=nobody -c search_path=nowhere',
  PGSSLMODE: 'verify-full',
  PGSSLNEGOTIATION: 'direct',
  PGCONNECT_TIMEOUT: '1',
  PGCLIENTENCODING: 'LATIN1',
  PGCLIENT_ENCODING: 'LATIN1',
  NODE_PG_FORCE_NATIVE: '1',
  GRAPHILE_WORKER_SCHEMA: 'foreign_worker',
  TZ: 'Asia/Kathmandu',
  LC_ALL: 'de_DE.ISO-8859-1',
};

describe('lightning on an embedded database', () => {
  let directory: string;
  const running: Started[] = [];
  beforeEach(async () => {
    directory = await migratedDataDirectory();
  });
  afterEach(async () => {
    for (const started of running.splice(0)) await started.stop('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });
  const start = async () => {
    const started = await startLightning({ DATA_DIR: directory });
    running.push(started);
    return started;
  };

  it('starts with one command, answers with the token that it printed, and finds the same data at the second start', async () => {
    await rm(path.join(directory, 'postgres'), { recursive: true });
    const first = await start();
    const health = await fetch(`${first.url}/healthz`);
    expect([health.status, health.headers.get('lightning-storage'), await health.json()]).toEqual([
      200,
      null,
      expect.objectContaining({ status: 'ok', storage: 'kept' }),
    ]);
    expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
    expect((await stat(path.join(directory, 'jwt-secret'))).mode & 0o777).toBe(0o600);
    const made = await graphql(
      first,
      'mutation { createAgent(input: { agent: { id: "a1", name: "A", model: "m" } }) { agent { id status } } }',
    );
    expect(made.body).toEqual({ data: { createAgent: { agent: { id: 'a1', status: 'idle' } } } });
    const ended = await first.stop();
    expect(ended.status, ended.stderr).toBe(0);
    // Making the database takes seconds, and the log says so meanwhile: nobody takes it for hanging.
    const log = ended.stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map(
        (line) => JSON.parse(line) as { time: string; event: string; message: string; durationMs?: number },
      );
    const making = log.find(({ event }) => event === 'engine-started')?.durationMs ?? 0;
    const said = log.filter(
      ({ event, message }) => event === 'still-working' && message.startsWith('making'),
    );
    expect(said.length, `made in ${making} ms`).toBeGreaterThanOrEqual(Math.floor((making - 500) / 2_000));
    expect(said.length, `made in ${making} ms`).toBeLessThanOrEqual(Math.floor((making + 500) / 2_000));

    const second = await start();
    expect((await graphql(second, '{ agents { nodes { id } } }')).body).toEqual({
      data: { agents: { nodes: [{ id: 'a1' }] } },
    });
    // A token signed with the secret of the first start is still accepted.
    expect((await graphql({ url: second.url, token: first.token }, '{ agents { totalCount } }')).status).toBe(
      200,
    );
  }, 60_000);

  it('has every acknowledged row after kill -9 in the middle of 1,000 inserts', async () => {
    const first = await start();
    const acknowledged: string[] = [];
    let sent = 0;
    let killed = false;
    const writers = Array.from({ length: 20 }, async () => {
      while (sent < 1000 && !killed) {
        sent += 1;
        try {
          const { body } = await graphql(first, createTask, { d: `task ${sent}` });
          const id = (body.data as { createTask?: { task: { id: string } } } | undefined)?.createTask?.task
            .id;
          if (id) acknowledged.push(id);
        } catch {
          return; // The server is gone: that is the point.
        }
        if (acknowledged.length >= 400 && !killed) {
          killed = true;
          first.process.kill('SIGKILL');
        }
      }
    });
    await Promise.all(writers);
    // The kill came in the middle: some inserts had been acknowledged, and others had not been sent yet.
    expect(acknowledged.length).toBeGreaterThanOrEqual(400);
    expect(acknowledged.length).toBeLessThan(1000);

    const second = await start();
    const { body } = await graphql(second, '{ tasks(first: 1000) { nodes { id } } }');
    const { nodes } = (body.data as { tasks: { nodes: { id: string }[] } }).tasks;
    const stored = new Set(nodes.map(({ id }) => id));
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
  }, 90_000);

  it('answers the requests that are running at a Ctrl-C, even when npm repeats the signal, and ends with 0', async () => {
    const started = await start();
    const requests = Array.from({ length: 50 }, (_, i) => graphql(started, createTask, { d: `${i}` }));
    // The handlers are attached at once: on a slow machine some requests are refused before the first await.
    const settled = Promise.allSettled(requests);
    // The signal is sent after all requests are on their way.
    await requests[0];
    const ended = started.stop('SIGINT');
    // A little later, because the kernel merges two pending signals into one.
    await new Promise((resolve) => setTimeout(resolve, 20));
    started.process.kill('SIGINT');
    const answered = (await settled).filter((r) => r.status === 'fulfilled' && r.value.status === 200);
    expect(answered.length).toBeGreaterThan(0);
    expect((await ended).status).toBe(0);
  }, 60_000);

  it('refuses a second process on the same directory and names the first; commands go through its socket', async () => {
    const first = await start();
    const second = await lightning(['start'], { DATA_DIR: directory, PORT: '0' });
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(String(first.process.pid));
    const list = await lightning(['tenant', 'list'], { DATA_DIR: directory });
    expect(list.stdout).toMatch(/^default\tDefault tenant\tactive/);
  }, 60_000);

  it('ignores variables that are exported for another database', async () => {
    const env = { ...foreign, DATA_DIR: directory };
    const started = await startLightning(env);
    running.push(started);
    expect((await graphql(started, createTask, { d: 'x' })).body.errors).toBeUndefined();
    const list = await lightning(['tenant', 'list'], env);
    expect(list.stdout).toMatch(/^default\tDefault tenant\tactive/);
    // The worker runs too, in its own schema.
    const job = await lightning(['jobs', 'run', 'trim_events'], env);
    expect({ status: job.status, stderr: job.stderr }).toMatchObject({ status: 0 });
  }, 60_000);

  it('keeps nothing with USE_DATABASE=false, and says so at every door', async () => {
    const started = await startLightning({ DATA_DIR: directory, USE_DATABASE: 'false' });
    running.push(started);
    expect((await graphql(started, createTask, { d: 'x' })).body.errors).toBeUndefined();
    for (const door of [
      '/healthz',
      '/readyz',
      '/rest/v1/tasks',
      '/graphql?query={__typename}',
      '/events',
      '/nothing',
    ]) {
      const answer = await fetch(started.url + door);
      expect([door, answer.headers.get('lightning-storage')]).toEqual([door, 'memory']);
      await answer.text();
    }
    const health = await fetch(`${started.url}/healthz`);
    expect(await health.json()).toMatchObject({ status: 'ok', storage: 'memory' });
    const { status, stderr } = await started.stop();
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /"level":"warning","event":"database-chosen","message":"[^"]*what is written is lost/,
    );
  }, 60_000);

  it('says that it does not have logins', async () => {
    const { status, stderr } = await lightning(['login', 'create', 'ann', '--tenant', 'default'], {
      DATA_DIR: directory,
    });
    expect(status).toBe(2);
    expect(stderr).toContain('the embedded database has no logins');
  }, 60_000);
});

describe('a variable of libpq', () => {
  it.each(Object.keys(foreign).filter((name) => name.startsWith('PG')))(
    '%s is gone before anything reads it',
    (name) => {
      const variables: Record<string, string | undefined> = { ...foreign };
      takeEnvironment(variables, '/nowhere');
      expect(variables[name]).toBeUndefined();
    },
  );
});

describe('the command line', () => {
  it.each([
    [['strat'], /unknown command 'strat'.*Did you mean start/s],
    [['start', '--prot', '1'], /unknown option '--prot'/],
    [['token', '--role', 'king'], /--role is "king"; expected one of anon, member, service, admin/],
    [['token', '--expires', 'soon'], /--expires is "soon"; expected a duration such as 30m, 12h or 90d/],
    [['setup'], /required option '--admin-url <url>' not specified/],
    [['setup', '--admin-url', 'mysql://x'], /--admin-url must have the form/],
    [['login', 'create', 'ann'], /required option '--tenant <id>' not specified/],
  ])('%j is refused with 2 and says what is wrong', async (args, message) => {
    const { status, stderr } = await lightning(args, { JWT_SECRET: secret });
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it('refuses an invalid configuration with exit status 2, and names every problem', async () => {
    const { status, stderr } = await lightning(['start'], { PORT: 'x', DB_POOL_SIZE: '-1' });
    expect(status).toBe(2);
    expect(stderr).toContain('PORT is "x"');
    expect(stderr).toContain('DB_POOL_SIZE is "-1"');
  });

  it('--help lists every command and exits with 0', async () => {
    const { status, stdout } = await lightning(['--help']);
    expect(status).toBe(0);
    for (const command of [
      'start',
      'serve',
      'work',
      'migrate',
      'setup',
      'status',
      'token',
      'jobs',
      'alerts',
      'tenant',
      'login',
      'import',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command}`, 'm'));
    }
  });
});

describe.skipIf(noServer)('lightning on a server', () => {
  let made: MigratedDatabase;
  let env: Record<string, string>;
  beforeAll(async () => {
    made = await migratedDatabase();
    env = {
      DATABASE_URL: made.urls.api,
      MIGRATE_DATABASE_URL: made.urls.migrate,
      WORKER_DATABASE_URL: made.urls.worker,
      JWT_SECRET: secret,
    };
  });
  afterAll(() => made.drop());

  it('serves each tenant its own rows, with tokens of `lightning token`', async () => {
    const operator = serverDatabase(made.urls.migrate);
    await createTenant(installationIn(operator), 'acme', 'acme');
    await operator.close();
    const started = await startLightning(env);
    try {
      const tokenOf = async (tenant: string) =>
        (await lightning(['token', '--tenant', tenant], env)).stdout.trim();
      const acme = { url: started.url, token: await tokenOf('acme') };
      const other = { url: started.url, token: await tokenOf('default') };
      expect((await graphql(acme, createTask, { d: 'secret of acme' })).body.errors).toBeUndefined();
      expect((await graphql(acme, '{ tasks { totalCount } }')).body).toEqual({
        data: { tasks: { totalCount: 1 } },
      });
      expect((await graphql(other, '{ tasks { totalCount } }')).body).toEqual({
        data: { tasks: { totalCount: 0 } },
      });
    } finally {
      expect((await started.stop()).status).toBe(0);
    }
  }, 60_000);

  it.each([
    ['a superuser', () => made.adminUrl, /is a superuser/],
    ['one that may become the owner', () => made.urls.migrate, /may make roles|may become lightning_owner/],
  ])('refuses to serve under %s', async (_, url, message) => {
    const { status, stderr } = await lightning(['serve'], { ...env, DATABASE_URL: url(), PORT: '0' });
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  });

  it('status --check names the missing settings and the remedy, and exits with 3', async () => {
    const ok = await lightning(['status'], { ...foreign, ...env });
    expect(ok.stdout).toMatch(/^ok {2}\s+schema\s+current$/m);
    const tooMany = await lightning(['status', '--check'], { ...env, DB_POOL_SIZE: '500' });
    expect(tooMany.stdout).toMatch(/^MEND max_connections/m);
    // Other tests make logins of analysts, whose connections count as well.
    expect(tooMany.stdout).toMatch(/alter system set max_connections = (?:5[6-9]|[6-9]\d)\d/);
    expect(tooMany.status).toBe(3);
  });

  it('reports an unreachable server in one line, without a password', async () => {
    const gone = 'postgres://agent_user:hunter2@127.0.0.1:1/agent_lightning';
    const { stdout, stderr } = await lightning(['status'], { ...env, DATABASE_URL: gone });
    expect(stdout).toMatch(/^MEND DATABASE_URL +the server does not answer at 127.0.0.1:1 /m);
    expect(stdout + stderr).not.toMatch(/hunter2|\n {4}at /);
  });
});
