import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { request } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { SignJWT } from 'jose';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startRest } from '../../src/commands/rest-server.ts';
import { askReady, dumpRestSchema } from '../../src/commands/rest-tools.ts';
import { freshDatabase } from '../support/db.ts';
import type { FreshDatabase } from '../support/db.ts';
import { lightning } from '../support/lightning.ts';
import { startRestProcess } from '../support/rest-process.ts';
import type { RestProcess } from '../support/rest-process.ts';
import { noServer, readyServer } from '../support/server.ts';
import { tcpGate } from '../support/tcp-gate.ts';

const secret = 'reallyreallyreallyreallyverysafe';
const password = 'drop-in';

/** Roles of the cluster that only this file uses. */
const roles = { login: 'rest_test_login', anon: 'rest_test_anon', author: 'rest_test_author' };

describe.skipIf(noServer)('lightning rest', () => {
  let database: FreshDatabase;
  let admin: Client;
  let directory: string;
  let uri: string;
  const started: RestProcess[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lightning-rest-'));
    database = await freshDatabase(readyServer().adminUrl);
    admin = new Client({ connectionString: database.url });
    await admin.connect();
    await dropRoles();
    await admin.query(`
      create role ${roles.login} login noinherit password '${password}';
      create role ${roles.anon};
      create role ${roles.author};
      grant ${roles.anon}, ${roles.author} to ${roles.login};
      create schema api;
      create schema other;
      grant usage on schema api, other to ${roles.anon}, ${roles.author};
      create table api.films (id integer primary key, title text);
      insert into api.films values (1, 'Metropolis'), (2, 'M');
      grant select on api.films to ${roles.anon};
      create table other.films (id integer primary key);
      grant select on other.films to ${roles.anon};
      create function api.setting(name text) returns text stable language sql
        begin atomic; select current_setting(name, true); end;
      create function api.sleep(seconds float) returns text language sql
        begin atomic; select 'slept' from pg_sleep(seconds); end;`);
    const url = new URL(database.url);
    url.username = roles.login;
    url.password = password;
    uri = url.href;
  });

  afterEach(async () => {
    await Promise.all(started.splice(0).map((each) => each.ended('SIGKILL')));
    await admin.query(`alter role ${roles.login} reset all`);
  });

  afterAll(async () => {
    await admin.end();
    await database.drop();
    const cluster = new Client({ connectionString: readyServer().adminUrl });
    await cluster.connect();
    for (const role of Object.values(roles)) await cluster.query(`drop role if exists ${role}`);
    await cluster.end();
    await rm(directory, { recursive: true, force: true });
  });

  async function dropRoles(): Promise<void> {
    for (const role of Object.values(roles)) await admin.query(`drop role if exists ${role}`);
  }

  function start(env: Record<string, string> = {}, args: readonly string[] = []): RestProcess {
    const child = startRestProcess(
      {
        PGRST_DB_URI: uri,
        PGRST_DB_SCHEMAS: 'api',
        PGRST_DB_ANON_ROLE: roles.anon,
        PGRST_JWT_SECRET: secret,
        PGRST_SERVER_PORT: '0',
        PGRST_ADMIN_SERVER_UNIX_SOCKET: path.join(directory, 'admin.sock'),
        ...env,
      },
      args,
    );
    started.push(child);
    return child;
  }

  async function listening(child: RestProcess): Promise<string> {
    return (await child.next('api-listening')).address ?? '';
  }

  const json = async (url: string, init?: RequestInit): Promise<unknown> => (await fetch(url, init)).json();

  function overSocket(socketPath: string, url: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      request({ socketPath, path: url }, (response) => {
        let body = '';
        response.on('data', (data) => (body += String(data)));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      })
        .on('error', reject)
        .end();
    });
  }

  const admins = (url: string) => overSocket(path.join(directory, 'admin.sock'), url);

  async function until(what: () => Promise<boolean>): Promise<void> {
    while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  it('serves a database at / on loopback, under the roles of PostgREST, and leaves nothing in it', async () => {
    const objects = async () =>
      (await admin.query('select count(*) from pg_class')).rows.concat(
        // Only roles of our names: meanwhile other files create and drop other roles on this server.
        (
          await admin.query(
            String.raw`select rolname from pg_roles where rolname like 'lightning\_%' order by 1`,
          )
        ).rows,
      );
    const before = await objects();
    const child = start({ PGRST_LOG_LEVEL: 'info' });
    const url = await listening(child);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await child.next('loopback-only')).message).toContain('PGRST_SERVER_HOST');

    expect(await json(`${url}/films?id=eq.1`)).toEqual([{ id: 1, title: 'Metropolis' }]);
    const token = await new SignJWT({ role: roles.author })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(secret));
    const asAuthor = { headers: { Authorization: `Bearer ${token}` } };
    expect((await fetch(`${url}/films`, asAuthor)).status).toBe(403);
    expect(await json(`${url}/rpc/setting?name=role`, asAuthor)).toBe(roles.author);
    const forged = await fetch(`${url}/films`, { headers: { Authorization: `Bearer ${token}x` } });
    expect(forged.status).toBe(401);
    expect(forged.headers.get('www-authenticate')).toContain('invalid_token');

    expect(await objects()).toEqual(before);
    const sessions = await admin.query(
      `select distinct application_name from pg_stat_activity where usename = '${roles.login}'`,
    );
    expect(sessions.rows).toEqual([{ application_name: 'lightning rest' }]);
    expect(await child.ended('SIGTERM')).toBe(0);
    expect(child.output()).toMatch(
      new RegExp(`^127\\.0\\.0\\.1 - ${roles.anon} \\[.*\\] "GET /films\\?id=eq\\.1 HTTP/1\\.1" 200 `),
    );
  });

  it('reads the catalog again on SIGUSR1, and on a notification', async () => {
    const child = start();
    const url = await listening(child);
    for (const [name, ask] of [
      ['by_signal', () => child.kill('SIGUSR1')],
      ['by_notify', () => admin.query(`notify pgrst, 'reload schema'`)],
    ] as const) {
      await admin.query(`create table api.${name} (id int); grant select on api.${name} to ${roles.anon}`);
      expect((await fetch(`${url}/${name}`)).status).toBe(404);
      await ask();
      await until(async () => (await fetch(`${url}/${name}`)).status === 200);
    }
  });

  it('takes over new settings of its login on a reload', async () => {
    const child = start();
    const url = await listening(child);
    const workMem = () => json(`${url}/rpc/setting?name=work_mem`);
    const before = await workMem();
    await admin.query(`alter role ${roles.login} set work_mem = '5MB'`);
    expect(await workMem()).toBe(before);
    child.kill('SIGUSR1');
    await until(async () => (await workMem()) === '5MB');
  });

  it('reads its configuration file again on SIGUSR2, and keeps the old configuration when the file has mistakes', async () => {
    const file = path.join(directory, 'rest.conf');
    const write = (text: string) => writeFile(file, `app.settings.who = "$(WHO)"\n${text}`);
    await write('app.settings.name = "John"\nserver-timing-enabled = true');
    const child = start({ WHO: 'me' }, [file]);
    const url = await listening(child);
    const setting = (name: string) => json(`${url}/rpc/setting?name=app.settings.${name}`);
    expect(await setting('name')).toBe('John');
    expect(await setting('who')).toBe('me');
    expect((await fetch(`${url}/films`)).headers.has('server-timing')).toBe(true);

    await write('app.settings.name = "Jane"');
    child.kill('SIGUSR2');
    await until(async () => (await setting('name')) === 'Jane');
    expect((await fetch(`${url}/films`)).headers.has('server-timing')).toBe(false);

    await write('app.settings.name = "Jim"\nopenapi-mode = "sometimes"');
    child.kill('SIGUSR2');
    expect((await child.next('config-invalid')).message).toContain('openapi-mode is "sometimes"');
    expect(await setting('name')).toBe('Jane');
  });

  it('keeps a secret that came from a pipe, which can be read only once', async () => {
    const pipe = path.join(directory, 'secret.pipe');
    await promisify(execFile)('mkfifo', [pipe]);
    const [child] = [start({ PGRST_JWT_SECRET: `@${pipe}` }), await writeFile(pipe, secret)];
    const url = await listening(child);
    const token = await new SignJWT({ role: roles.anon })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(secret));
    const status = async () =>
      (await fetch(`${url}/films`, { headers: { Authorization: `Bearer ${token}` } })).status;
    expect(await status()).toBe(200);
    await admin.query(`alter role ${roles.login} set pgrst.server_timing_enabled = 'true'`);
    child.kill('SIGUSR2');
    await until(async () => (await fetch(`${url}/films`)).headers.has('server-timing'));
    expect(await status()).toBe(200);
  });

  it('takes its configuration from the database, from the role before the function', async () => {
    await admin.query(`
      create schema private;
      grant usage on schema private to ${roles.login};
      create function private.configure() returns void language sql as $$
        select set_config('pgrst.db_schemas', 'other', true), set_config('pgrst.db_max_rows', '1', true)
      $$;
      alter role ${roles.login} set pgrst.db_schemas = 'api, other';`);
    const env = { PGRST_DB_PRE_CONFIG: 'private.configure' };
    const child = start(env);
    const url = await listening(child);
    expect(await json(`${url}/films`)).toHaveLength(1);
    expect((await fetch(`${url}/films`, { headers: { 'Accept-Profile': 'other' } })).status).toBe(200);

    await admin.query(`alter role ${roles.login} reset pgrst.db_schemas; notify pgrst, 'reload config'`);
    await until(async () => (await fetch(`${url}/films`)).headers.get('content-range') === '*/*');

    const dumped = await lightning(['rest', '--dump-config'], { PGRST_DB_URI: uri, ...env });
    expect(dumped.stdout).toMatch(/^db-max-rows = 1$/m);
    expect(dumped.stdout).toMatch(/^db-schemas = "other"$/m);
    const off = await lightning(['rest', '--dump-config'], { PGRST_DB_CONFIG: 'false', ...env });
    expect(off.stdout).toMatch(/^db-schemas = "public"$/m);
  });

  it('prepares nothing when the database says so', async () => {
    await admin.query(`alter role ${roles.login} set pgrst.db_prepared_statements = 'false'`);
    await admin.query(`create or replace function api.prepared() returns bigint stable language sql
      begin atomic; select count(*) from pg_prepared_statements; end`);
    const url = await listening(start({ PGRST_DB_POOL: '1' }));
    for (let i = 0; i < 3; i++) expect(await json(`${url}/rpc/prepared`)).toBe(0);
    await admin.query(`alter role ${roles.login} reset all`);
    const preparing = await listening(
      start({
        PGRST_DB_POOL: '1',
        PGRST_ADMIN_SERVER_UNIX_SOCKET: '',
      }),
    );
    await json(`${preparing}/rpc/prepared`);
    expect(await json(`${preparing}/rpc/prepared`)).toBeGreaterThan(0);
  });

  // The pauses between two tries grow, as PostgREST's do: a busy machine waits for the fourth.
  it('waits for the database, says so, and finds it again after an outage', async () => {
    const { hostname, port } = new URL(uri);
    const gate = await tcpGate({ host: hostname, port: Number(port) });
    const through = new URL(uri);
    through.port = String(gate.port);
    try {
      const child = start({ PGRST_DB_URI: through.href });
      const url = await listening(child);
      expect((await child.next('database-failed')).message).toContain('ECONNREFUSED');
      const refused = await fetch(`${url}/films`);
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(await refused.json()).toMatchObject({ code: 'PGRST002' });
      expect((await admins('/live')).status).toBe(200);
      expect((await admins('/ready')).status).toBe(503);

      await gate.open();
      await until(async () => (await admins('/ready')).status === 200);
      expect((await fetch(`${url}/films`)).status).toBe(200);

      expect(await gate.shut()).toBeGreaterThan(0);
      await child.next('listener-lost');
      expect((await admins('/ready')).status).toBe(503);
      const away = await fetch(`${url}/films`);
      expect(away.status).toBe(503);
      expect(await away.json()).toMatchObject({ code: expect.stringMatching(/^PGRST00[01]$/) });

      await gate.open();
      await until(async () => (await admins('/ready')).status === 200);
      expect((await fetch(`${url}/films`)).status).toBe(200);
      expect((await admins('/metrics')).body).toMatch(
        /^pgrst_schema_cache_loads_total\{status="SUCCESS"\} [2-9]/m,
      );
    } finally {
      await gate.shut();
    }
  }, 90_000);

  it('ends at once when told to, even while it waits for a silent server', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    try {
      const child = start({ PGRST_DB_URI: `postgres://u@127.0.0.1:${port}/d` });
      await until(async () => sockets.length > 0);
      const began = performance.now();
      expect(await child.ended('SIGTERM')).toBe(0);
      // An attempt to connect would time out only after ten seconds.
      expect(performance.now() - began).toBeLessThan(5_000);
    } finally {
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  });

  it('ends when waiting is pointless: with a wrong password, or without automatic recovery', async () => {
    const wrong = new URL(uri);
    wrong.password = 'wrong';
    const denied = start({ PGRST_DB_URI: wrong.href });
    expect(await denied.ended()).toBe(1);
    expect(denied.entries.map(({ message }) => message).join('\n')).toContain(
      'password authentication failed',
    );
    const away = start({
      PGRST_DB_URI: 'postgres://u@127.0.0.1:1/d',
      PGRST_DB_POOL_AUTOMATIC_RECOVERY: 'false',
    });
    expect(await away.ended()).toBe(1);
  });

  it('does not keep listening when it is stopped while it starts to listen', async () => {
    const socket = path.join(directory, 'never.sock');
    const env = {
      PGRST_DB_URI: 'postgres://u@127.0.0.1:1/d',
      PGRST_SERVER_PORT: '0',
      PGRST_ADMIN_SERVER_UNIX_SOCKET: socket,
    };
    const rest = startRest({ env, file: undefined, log: () => {}, writeAccess: () => {} });
    await rest.stop();
    await expect(rest.listening).rejects.toThrow('told to stop');
    await expect(stat(socket)).rejects.toThrow('ENOENT');
  });

  it('listens on a socket of the given mode, and is not live once the file of the socket is gone', async () => {
    const socket = path.join(directory, 'api.sock');
    await writeFile(socket, 'not a socket');
    const env = { PGRST_SERVER_UNIX_SOCKET: socket, PGRST_SERVER_UNIX_SOCKET_MODE: '777' };
    expect(await start(env).ended()).toBe(1);
    await unlink(socket);

    const child = start(env);
    expect(await listening(child)).toBe(socket);
    expect((await stat(socket)).mode & 0o777).toBe(0o777);
    expect(await overSocket(socket, '/films?id=eq.2')).toEqual({
      status: 200,
      body: '[{"id":2,"title":"M"}]',
    });
    await chmod(socket, 0o600);
    expect((await admins('/live')).status).toBe(200);
    await unlink(socket);
    expect((await admins('/live')).status).toBe(500);
    expect((await admins('/ready')).status).toBe(500);
    expect((await admins('/nothing')).status).toBe(404);
  });

  it('replaces the socket of a killed process', async () => {
    const env = { PGRST_SERVER_UNIX_SOCKET: path.join(directory, 'left.sock') };
    const killed = start(env);
    await listening(killed);
    await killed.ended('SIGKILL');
    expect((await stat(env.PGRST_SERVER_UNIX_SOCKET)).isSocket()).toBe(true);
    expect(await listening(start(env))).toBe(env.PGRST_SERVER_UNIX_SOCKET);
  });

  it('lets requests in flight finish when it is told to end', async () => {
    const child = start();
    const url = await listening(child);
    const slow = json(`${url}/rpc/sleep`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"seconds":1}',
    });
    await until(async () => {
      const { rows } = await admin.query(
        `select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`,
      );
      return rows.length > 0;
    });
    const ended = child.ended('SIGTERM');
    await child.next('stopping');
    await until(() =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    );
    expect(await slow).toBe('slept');
    expect(await ended).toBe(0);
  });

  it('refuses to start on a configuration with mistakes, and names all of them without a secret', async () => {
    const { status, stderr } = await lightning(['rest'], {
      PGRST_DB_URI: 'postgres://u:hunter2@h/d?sslmode=sure',
      PGRST_LOG_LEVEL: 'loud',
      PGRST_JWT_SECRET: 'hunter2',
    });
    expect(status).toBe(2);
    expect(stderr).toContain('PGRST_LOG_LEVEL is "loud"');
    expect(stderr).toContain('PGRST_JWT_SECRET cannot be used: it has 7 bytes');
    expect(stderr).not.toContain('hunter2');
    const target = await lightning(['rest'], { PGRST_DB_URI: 'postgres://u:hunter2@h/d?sslmode=sure' });
    expect(target.status).toBe(2);
    expect(target.stderr).toContain('sslmode is "sure"');
    expect(target.stderr).not.toContain('hunter2');
    const file = await lightning(['rest', 'does_not_exist.conf']);
    expect(file.status).toBe(2);
    expect(file.stderr).toContain('does_not_exist.conf cannot be read');
  });

  it('shows its catalog', async () => {
    const env = { PGRST_DB_URI: uri, PGRST_DB_SCHEMAS: 'api' };
    const shown = JSON.parse(await dumpRestSchema({ env, file: undefined, log: () => {} })) as object;
    expect(shown).toMatchObject({
      dbTables: expect.arrayContaining([
        [expect.any(String), expect.objectContaining({ schema: 'api', name: 'films' })],
      ]),
      dbRoutines: expect.arrayContaining([
        [expect.any(String), [expect.objectContaining({ name: 'sleep' })]],
      ]),
    });
  });

  it('tells another process with the same configuration whether it is ready', async () => {
    const port = String(20_000 + (process.pid % 20_000));
    const ask = (env: Record<string, string>) => askReady({ env, file: undefined });
    await expect(ask({})).rejects.toThrow('PGRST_ADMIN_SERVER_PORT is not set');
    await expect(ask({ PGRST_ADMIN_SERVER_PORT: port, PGRST_SERVER_HOST: '!4' })).rejects.toThrow(
      'PGRST_SERVER_HOST is !4, which means any address',
    );
    const env = { PGRST_ADMIN_SERVER_UNIX_SOCKET: '', PGRST_ADMIN_SERVER_PORT: port };
    const ready = start(env);
    await listening(ready);
    expect(await ask(env)).toBe(`OK: http://127.0.0.1:${port}/ready`);

    const second = start(env);
    expect(await second.ended()).toBe(1);
    expect(second.entries.map(({ message }) => message).join('\n')).toContain('EADDRINUSE');

    await ready.ended('SIGTERM');
    await expect(ask(env)).rejects.toThrow('connection refused to');
  });
});
