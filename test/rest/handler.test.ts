import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { CallerDatabase, Database } from '../../src/db/database.ts';
import { PostgresDatabase } from '../../src/db/postgres.ts';
import { postgrestCors } from '../../src/postgrest/cors.ts';
import type { LogEntry } from '../../src/log.ts';
import { RestError } from '../../src/rest/errors.ts';
import { makeRestHandler } from '../../src/rest/handler.ts';
import type { Answered } from '../../src/rest/answered.ts';
import type { RestDependencies } from '../../src/rest/handler.ts';
import type { RestOptions } from '../../src/rest/options.ts';
import { loadSchemaCache } from '../../src/schema-cache/load.ts';
import type { SchemaCache } from '../../src/schema-cache/schema-cache.ts';
import { describeOnBoth } from '../schema-cache/both-databases.ts';
import { poolOptions } from '../support/server-database.ts';
import { restOptions } from './request/request-of.ts';

const role = 'rest_handler_reader';

const schema = `
  do $$ begin
    create role ${role} nologin;
  exception when duplicate_object then null; end $$;
  create schema api;
  grant usage on schema api to ${role};
  create table api.films (id int primary key, title text not null, made int);
  create table api."söme täble" (id int primary key);
  create table api.hidden (id int primary key);
  create function api.grow() returns int volatile language sql as $$
    insert into api.films values (99, 'by a read', 0) returning id $$;
  create view api.growing as select api.grow() as id;
  create function api.settings(names text[]) returns json stable language sql as $$
    select json_object_agg(n, current_setting(n, true)) from unnest(names) n $$;
  create function api.isolation() returns text language sql
    set default_transaction_isolation = 'serializable'
    as $$ select current_setting('transaction_isolation') $$;
  create function api.wait(seconds float8) returns void language sql as $$ select pg_sleep(seconds) $$;
  create function api.before() returns void language plpgsql as $$
  begin
    if current_setting('request.headers')::json ->> 'x-no' is not null then
      raise sqlstate 'PT403' using message = 'Not You';
    end if;
    perform set_config('response.headers', '[{"X-Before":"ü"}]', true);
  end $$;
  grant all on api.films, api."söme täble", api.growing to ${role};
`;

interface Reply {
  readonly status: number;
  readonly reason: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

describeOnBoth('the handler', (target, kind) => {
  let server: Server;
  let cache: SchemaCache;
  let options: RestOptions;
  let database: Database;
  let batches = 0;
  let logged: LogEntry[] = [];
  let answered: Answered[] = [];
  let overrides: Partial<RestDependencies> = {};

  beforeAll(async () => {
    await target().run(schema);
    const own = target().database;
    const counted = <T extends CallerDatabase>(on: T): T =>
      new Proxy(on, {
        get: (object, name) => {
          if (name === 'batch') batches += 1;
          if (name === 'until') return (left: AbortSignal) => counted(own.until(left));
          const value: unknown = Reflect.get(object, name, object);
          return typeof value === 'function' ? value.bind(object) : value;
        },
      });
    database = counted(own);
    cache = await loadSchemaCache(own, { schemas: ['api'], extraSearchPath: [], hoistedSettings: [] });
    server = createServer((request, response) => {
      const settings = { role, 'request.jwt.claims': `{"role":"${role}"}` };
      const handler = makeRestHandler({
        database,
        schemaCache: () => cache,
        identify: async () => ({ role, settings, isAnonymous: true }),
        authorizationOf: ({ authorization }) => authorization,
        crossOrigin: (method, headers) => postgrestCors(method, headers, null),
        options: () => options,
        mountPath: '',
        version: '0',
        log: (entry) => logged.push(entry),
        requestIdSetting: null,
        logStatements: false,
        onAnswered: (entry) => answered.push(entry),
        ...overrides,
      });
      handler(request, response, request.url ?? '/');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }, 60_000);
  afterAll(async () => {
    server?.closeAllConnections();
    server?.close();
  });
  beforeEach(async () => {
    [batches, logged, answered, overrides] = [0, [], [], {}];
    options = {
      ...restOptions,
      schemas: ['api'],
      extraSearchPath: [],
      transactionEnd: 'commit-allow-override',
      maxBodyBytes: 10_000,
    };
    await target().run(
      `truncate api.films; insert into api.films values (1, 'Metropolis', 1927), (2, 'M', 1931)`,
    );
  });

  const send = (
    line: string,
    headers: Readonly<Record<string, string>> = {},
    body: string | Buffer = '',
  ): Promise<Reply> => {
    const [method = '', path = ''] = line.split(' ');
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { host: '127.0.0.1', port, method, path, headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              reason: response.statusMessage ?? '',
              headers: response.headers,
              text: Buffer.concat(chunks).toString('utf8'),
            }),
          );
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  };
  const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
    send(`POST ${path}`, { 'content-type': 'application/json', ...headers }, JSON.stringify(body));
  const settings = async (names: readonly string[], headers: Readonly<Record<string, string>> = {}) => {
    const list = encodeURIComponent(`{${names.map((name) => `"${name}"`).join(',')}}`);
    const { text } = await send(`GET /rpc/settings?names=${list}`, headers);
    return JSON.parse(text) as Record<string, string>;
  };
  const stored = async () => {
    const { rows } = await target().database.query<{ ids: number[] | null }>({
      text: 'select array_agg(id order by id) as ids from api.films',
    });
    return rows[0]?.ids;
  };

  test('answers reads, writes and calls, each in one round trip', async () => {
    expect(await send('GET /films?select=title&order=id')).toMatchObject({
      status: 200,
      headers: { 'content-range': '0-1/*', vary: 'Accept, Prefer, Range', 'content-length': '41' },
      text: '[{"title":"Metropolis"}, \n {"title":"M"}]',
    });
    expect(await post('/films', { id: 3, title: 'Ü' }, { prefer: 'return=representation' })).toMatchObject({
      status: 201,
      text: '[{"id":3,"title":"Ü","made":null}]',
    });
    expect(await send('GET /films', { prefer: 'count=planned' })).toMatchObject({
      text: expect.stringMatching(/^\[/),
    });
    expect(batches).toBe(3);
    expect(await stored()).toEqual([1, 2, 3]);
    expect(answered.slice(0, 2).map(({ status, requester }) => [status, requester?.role])).toEqual([
      [200, role],
      [201, role],
    ]);
  });

  test('answers HEAD without a body', async () => {
    expect(await send('HEAD /films')).toMatchObject({
      status: 200,
      headers: { 'content-range': '0-1/*' },
      text: '',
    });
    expect(await send('HEAD /nothing')).toMatchObject({ status: 404, text: '' });
  });

  test('tells functions about the request and the requester', async () => {
    options = { ...options, appSettings: [['app.settings.key', 'valüe']], extraSearchPath: ['pg_temp'] };
    const headers = { cookie: 'a=1; b="2=3"', 'x-name': Buffer.from('ü').toString('latin1') };
    const names = [
      'role',
      'request.jwt.claims',
      'request.method',
      'request.path',
      'request.headers',
      'request.cookies',
      'search_path',
      'app.settings.key',
      'transaction_read_only',
    ];
    const seen = await settings(names, { ...headers, prefer: 'timezone=Asia/Tokyo' });
    expect(seen).toMatchObject({
      role,
      'request.jwt.claims': `{"role":"${role}"}`,
      'request.method': 'GET',
      'request.path': '/rpc/settings',
      search_path: '"api", "pg_temp"',
      'app.settings.key': 'valüe',
      transaction_read_only: 'on',
    });
    expect(JSON.parse(seen['request.headers'] ?? '')).toMatchObject({
      'x-name': 'ü',
      prefer: 'timezone=Asia/Tokyo',
    });
    expect(JSON.parse(seen['request.headers'] ?? '')).not.toHaveProperty('cookie');
    expect(JSON.parse(seen['request.cookies'] ?? '')).toEqual({ a: '1', b: '"2=3"' });
    expect(await settings(['timezone', 'app.settings.key'])).toMatchObject({ 'app.settings.key': 'valüe' });
  });

  test('does not let GET change anything, whatever a view tries', async () => {
    expect(await send('GET /growing')).toMatchObject({
      status: 405,
      text: expect.stringContaining('"25006"'),
    });
    expect(await send('GET /rpc/grow')).toMatchObject({ status: 405 });
    expect(await stored()).toEqual([1, 2]);
  });

  test('rolls back a write that it refuses, or is told to roll back', async () => {
    const object = { accept: 'application/vnd.pgrst.object+json', prefer: 'return=representation' };
    expect(
      await post(
        '/films',
        [
          { id: 3, title: 'a' },
          { id: 4, title: 'b' },
        ],
        object,
      ),
    ).toMatchObject({
      status: 406,
      text: expect.stringContaining('"details":"The result contains 2 rows"'),
    });
    const few = { prefer: 'handling=strict, max-affected=1' };
    expect(await send('DELETE /films', few)).toMatchObject({
      status: 400,
      text: expect.stringMatching(/"PGRST124".*"The query affects 2 rows"/),
    });
    expect(
      await send(
        'PUT /films?id=eq.3',
        { 'content-type': 'application/json' },
        '{"id":4,"title":"x","made":1}',
      ),
    ).toMatchObject({ status: 400, text: expect.stringContaining('"PGRST115"') });
    expect(await send('DELETE /films', { prefer: 'tx=rollback' })).toMatchObject({
      status: 204,
      headers: { 'preference-applied': 'tx=rollback' },
    });
    expect(await stored()).toEqual([1, 2]);
    expect(batches).toBe(4);
  });

  test('runs a function in its own isolation level', async () => {
    expect(await send('POST /rpc/isolation')).toMatchObject({ text: '"serializable"' });
  });

  test('calls the pre-request function first', async () => {
    options = { ...options, preRequest: { schema: 'api', name: 'before' } };
    const { headers } = await send('GET /films');
    expect(Buffer.from(String(headers['x-before']), 'latin1').toString('utf8')).toBe('ü');
    expect(await post('/films', { id: 3, title: 'a' }, { 'x-no': '1' })).toMatchObject({
      status: 403,
      reason: 'Not You',
    });
    expect(await stored()).toEqual([1, 2]);
    expect(batches).toBe(2);
  });

  test('answers 401 without a token, and 403 without the privilege', async () => {
    expect(await send('GET /hidden')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer' },
    });
    const somebody = { role, settings: { role }, isAnonymous: false };
    overrides = { identify: async () => somebody };
    expect(await send('GET /hidden')).toMatchObject({
      status: 403,
      headers: { 'proxy-status': 'PostgREST; error=42501' },
      text: expect.stringContaining('permission denied'),
    });
    const refusal = new RestError('PGRST303', 'JWT expired', { headers: [['WWW-Authenticate', 'Bearer x']] });
    overrides = { identify: () => Promise.reject(refusal) };
    expect(await send('GET /films')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer x' },
    });
    expect(answered.at(-1)).toMatchObject({ status: 401, requester: null });
  });

  test('refuses a body that is too large, announced or not', async () => {
    const large = `[${'{"id":7,"title":"x"},'.repeat(1_000)}{"id":8,"title":"y"}]`;
    const headers = { 'content-type': 'application/json' };
    for (const more of [{ 'content-length': String(large.length) }, { 'transfer-encoding': 'chunked' }]) {
      expect(await send('POST /films', { ...headers, ...more }, large)).toMatchObject({
        status: 413,
        text: expect.stringMatching(/"LTR413".*"hint":"Send fewer rows/),
      });
    }
    expect([await stored(), batches]).toEqual([[1, 2], 0]);
  });

  test('releases everything of a client that does not wait for its answer', async () => {
    const { port } = server.address() as AddressInfo;
    const request = httpRequest({ host: '127.0.0.1', port, path: '/rpc/wait?seconds=0.3', agent: false });
    request.on('error', () => {});
    request.end();
    await expect.poll(() => batches).toBe(1);
    request.destroy();
    const half = httpRequest({ host: '127.0.0.1', port, path: '/films', method: 'POST', agent: false });
    half.on('error', () => {});
    half.setHeader('content-length', '100');
    half.write('{"id":');
    await expect.poll(() => answered.length, { timeout: 5_000 }).toBe(1);
    half.destroy();
    await expect.poll(() => answered.length, { timeout: 5_000 }).toBe(2);
    expect(target().database.poolState()).toMatchObject({ waiting: 0 });
    expect(await send('GET /films?id=eq.1')).toMatchObject({ status: 200 });
    expect([logged, batches]).toEqual([[], 2]);
  });

  test('shows any page its answers, including refusals', async () => {
    const origin = 'http://example.com';
    for (const [path, status] of [
      ['/films', 200],
      ['/nothing', 404],
    ] as const) {
      expect(await send(`GET ${path}`, { origin })).toMatchObject({
        status,
        headers: { 'access-control-allow-origin': '*' },
      });
    }
    const preflight = { origin, 'access-control-request-method': 'POST' };
    expect(await send('OPTIONS /nothing', preflight)).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-methods': expect.stringContaining('PATCH') },
      text: '',
    });
    expect(await send('OPTIONS /films')).toMatchObject({
      status: 200,
      headers: { allow: 'OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE', 'access-control-allow-origin': '*' },
    });
    expect(batches).toBe(1);
  });

  test('reports where the time went, and returns the trace header', async () => {
    options = { ...options, serverTiming: true, traceHeader: 'X-Trace' };
    const { headers } = await send('GET /films', { 'x-trace': 'abc' });
    expect(headers['server-timing']).toMatch(
      /^jwt;dur=[\d.]+, parse;dur=[\d.]+, plan;dur=[\d.]+, transaction;dur=[\d.]+, response;dur=[\d.]+$/,
    );
    expect(headers['x-trace']).toBe('abc');
    expect((await send('GET /nothing')).headers).toMatchObject({ 'x-trace': '' });
  });

  test('takes over a sane request id for the answer and the database, and replaces any other', async () => {
    overrides = { requestIdSetting: 'app.request_id' };
    const { headers } = await send('GET /films', { 'x-request-id': 'mine-1' });
    expect(headers['x-request-id']).toBe('mine-1');
    expect(await settings(['app.request_id'], { 'x-request-id': 'mine-2' })).toEqual({
      'app.request_id': 'mine-2',
    });
    const made = await send('GET /nothing', { 'x-request-id': 'not sane' });
    expect(made.headers['x-request-id']).toMatch(/^[\w-]+$/);
  });

  test('logs statements on request, without values', async () => {
    overrides = { logStatements: true };
    await send('GET /films?title=eq.secret');
    expect(logged).toEqual([
      expect.objectContaining({
        event: 'rest-statement',
        message: expect.stringMatching(/"films"."title" = \$1/),
      }),
    ]);
    expect(JSON.stringify(logged)).not.toContain('secret');
  });

  test('sends names beyond ASCII as UTF-8', async () => {
    const path = `/${encodeURIComponent('söme täble')}`;
    const { headers } = await post(path, { id: 5 }, { prefer: 'return=headers-only' });
    expect(Buffer.from(String(headers.location), 'latin1').toString('utf8')).toBe('/söme täble?id=eq.5');
  });

  test('describes what the caller may use, unless that is off', async () => {
    const { status, headers, text } = await send('GET /', { host: 'api.example' });
    expect([status, headers['content-type']]).toEqual([200, 'application/openapi+json; charset=utf-8']);
    const { paths } = JSON.parse(text) as { paths: object };
    expect(Object.keys(paths)).toContain('/films');
    expect(Object.keys(paths)).not.toContain('/hidden');
    options = { ...options, openapi: { ...options.openapi, mode: 'disabled' } };
    expect(await send('GET /')).toMatchObject({ status: 404, text: expect.stringContaining('"PGRST126"') });
  });

  test('says that the catalog will come when there is none yet', async () => {
    overrides = { schemaCache: () => null };
    expect(await send('GET /films')).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      text: expect.stringContaining('"PGRST002"'),
    });
  });

  test('says so when the database cannot be reached', async () => {
    const nowhere = new PostgresDatabase(
      'server',
      poolOptions('postgres://nobody@127.0.0.1:1/nothing', {}),
      () => {},
    );
    overrides = { database: nowhere };
    expect(await send('GET /films')).toMatchObject({
      status: 503,
      headers: { 'proxy-status': 'PostgREST; error=PGRST000', 'retry-after': '1' },
    });
    await nowhere.close();
  });

  // On the embedded database a connection cannot terminate another one.
  test.skipIf(kind === 'embedded')(
    'says so when its connection is cut, and serves the next request on another',
    async () => {
      const waiting = send('GET /rpc/wait?seconds=20');
      const cut = async () => {
        const { rows } = await target().database.query<{ cut: boolean }>({
          text: `select pg_terminate_backend(pid) as cut from pg_stat_activity
               where datname = current_database() and wait_event = 'PgSleep'`,
        });
        return rows;
      };
      await expect.poll(cut, { timeout: 5_000 }).toEqual([{ cut: true }]);
      expect(await waiting).toMatchObject({
        status: 503,
        headers: { 'proxy-status': 'PostgREST; error=57P01', 'retry-after': '1' },
      });
      expect(await send('GET /films?id=eq.1')).toMatchObject({ status: 200 });
    },
  );

  test('logs an unexpected error, and tells the client where it is logged', async () => {
    overrides = {
      database: new Proxy(database, {
        get: () => () => {
          throw new TypeError('a bug with /secret/paths');
        },
      }),
    };
    const { status, text } = await send('GET /films');
    expect(status).toBe(500);
    const [entry] = logged;
    expect(entry).toMatchObject({
      level: 'error',
      event: 'internal-error',
      message: expect.stringContaining('a bug'),
    });
    const { code, message } = JSON.parse(text) as { code: string; message: string };
    expect(code).toBe('PGRSTX00');
    expect(message).toContain(String(entry?.['requestId']));
    expect(text).not.toContain('secret');
  });
});
