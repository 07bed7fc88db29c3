import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestTables, listTables } from '../../src/backup/digests/table-digests.ts';
import type { Executor } from '../../src/db/database.ts';
import { nextToken } from '../../src/embedded/sql/sql-lexer.ts';
import { quoteIdentifier as quoted } from '../../src/db/statement.ts';
import { makeRestHandler } from '../../src/rest/handler.ts';
import type { RestOptions } from '../../src/rest/options.ts';
import { postgrestCors } from '../../src/postgrest/cors.ts';
import { loadSchemaCache } from '../../src/schema-cache/load.ts';
import type { SchemaCache } from '../../src/schema-cache/schema-cache.ts';
import { describeOnBoth } from '../schema-cache/both-databases.ts';
import { restOptions } from './request/request-of.ts';

// Statements over tables that are not this project's: the names that they use themselves (aliases, functions, types,
// keywords) may also be those of a user's table, column or function. A first run is taken apart to find out which names
// they use.

type Request = readonly [line: string, headers?: Readonly<Record<string, string>>, body?: unknown];

const columnsOfOurs = ['id', 'up', 'n', 'doc', 'words'];
/** The aliases of the requests, and `count`, which the dialect takes for the aggregate. */
const aliasesOfRequests = ['below', 'lower', 'lowers', 'upper', 'uppers', 'max', 'count'];
const full = { prefer: 'return=representation, tx=rollback' };

/** A table whose name, and whose further columns, may be anything. It has two rows, one above the other. */
const tableOf = (name: string, columns: readonly string[]): string => {
  const table = `names.${quoted(name)}`;
  const further = [...new Set(columns)].filter((column) => !columnsOfOurs.includes(column));
  return `
    create table ${table} (
      id int primary key, up int references ${table}, n int, doc jsonb, words text
      ${further.map((column) => `, ${quoted(column)} int`).join('')}
    );
    insert into ${table} (id, up, n, doc, words) values (1, null, 1, '{"k": 1}', 'a'), (2, 1, 2, '{"k": 2}', 'b');
    create function names.twice(${table}) returns int stable language sql as 'select $1.n * 2';
    create function names.above(${table}) returns setof ${table} rows 1 stable language sql
      as ${`'select t.* from ${table.replaceAll("'", "''")} t where t.id = $1.up'`};
    create function names.${quoted(name)}(${quoted(name)} names.choice) returns text stable language sql as 'select $1::text';`;
};

/** Every request that the dialect allows on a table, or on a function with its name. */
const requestsOf = (name: string, column: string): Request[] => {
  const at = encodeURIComponent(name);
  // Names in a query string are quoted, because they may contain special characters.
  const [table, of] = [name, column].map((text) =>
    encodeURIComponent(`"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`),
  );
  const row = { id: 3, up: 1, n: 3, doc: { k: 3 }, words: 'c', [column]: 4 };
  return [
    [`GET /${at}`],
    [
      `GET /${at}?select=*,twice,up(*),below:${table}!up(*)&order=${of}.desc,id&${of}=is.null`,
      { prefer: 'count=exact' },
    ],
    [`GET /${at}?select=id,above(id,${of}),upper:up!inner(id)&up=not.is.null&order=upper(id)`],
    [`GET /${at}?select=id,lower:${table}!up(id,${of})&lower=is.null`, { prefer: 'count=estimated' }],
    [`GET /${at}?select=id,above(id)&above=not.is.null`],
    [`GET /${at}?select=...up(uppers:id),id,doc->k,doc->>k&doc->>k=eq.2`],
    [`GET /${at}?select=id,...${table}!up(lowers:id,${of})&order=id`],
    [`GET /${at}?select=n.sum(),id.count(),max:${of}.max(),${of}:words,up(id)&order=words.desc`],
    [`GET /${at}?select=${of}:words,count()&having=count().gt.0`],
    [`GET /${at}?select=${of},id&distinct=${of}&order=${of},id`],
    [`GET /${at}?select=id,${of},up(id)&order=${of},id&limit=1&after=`],
    [`GET /${at}?words=fts.a&or=(n.in.(1,2),${of}.gt.1)`],
    [`GET /${at}?limit=1`, { accept: 'text/csv' }],
    [`GET /${at}?id=eq.1`, { accept: 'application/vnd.pgrst.object+json;nulls=stripped' }],
    [`GET /${at}`, { accept: 'application/vnd.pgrst.plan+json' }],
    [`POST /${at}?select=id,${of},up(id),twice`, full, row],
    [`POST /${at}?columns=id,n`, { prefer: 'return=headers-only, tx=rollback, missing=default' }, [row]],
    [
      `POST /${at}?select=id,${of}`,
      { prefer: `${full.prefer}, resolution=merge-duplicates` },
      [{ ...row, id: 1 }],
    ],
    [`POST /${at}`, { prefer: 'resolution=ignore-duplicates, tx=rollback' }, [{ ...row, id: 1 }]],
    [`PUT /${at}?id=eq.1`, full, { ...row, id: 1 }],
    [`PATCH /${at}?id=eq.2&select=id,${of},twice,up(id)`, full, { [column]: 5, doc: {} }],
    [`PATCH /${at}?id=eq.2`, { prefer: `handling=strict, max-affected=1, ${full.prefer}` }, { n: 5 }],
    [`DELETE /${at}?id=eq.2&select=id,${of},twice`, full],
    [`POST /rpc/${at}`, {}, { [name]: 'a' }],
    // Parameters of these names belong to the dialect, and others it does not accept.
    ...(/^(select|order|limit|offset|having|distinct|after|columns|on_conflict|and|or|not)$|[^a-z_]/.test(
      name,
    )
      ? ([] satisfies Request[])
      : [[`GET /rpc/${at}?${encodeURIComponent(name)}=a`] as const]),
  ];
};

/** All words and quoted names of a text of SQL, and whether each is an alias in it. */
function namesIn(sql: string): { readonly name: string; readonly isAlias: boolean }[] {
  const names: { name: string; isAlias: boolean }[] = [];
  let before = '';
  for (let token = nextToken(sql, 0); token; token = nextToken(sql, token.end)) {
    if (token.kind === 'word' || token.kind === 'quoted')
      names.push({ name: token.text, isAlias: token.kind === 'quoted' || before === 'as' });
    before = token.text;
  }
  return names;
}

describeOnBoth('a table of any name, with columns of any name', (target) => {
  let server: Server;
  let cache: SchemaCache;
  const statements: string[] = [];
  const options: RestOptions = {
    ...restOptions,
    schemas: ['names'],
    extraSearchPath: [],
    aggregatesEnabled: true,
    planEnabled: true,
    plannerCounts: true,
    maxRows: 1,
    transactionEnd: 'commit-allow-override',
  };
  const executor: Executor = {
    query: (statement) => {
      statements.push(statement.text);
      return target().database.query(statement);
    },
  };

  beforeAll(async () => {
    await target().run(`
      do $$ begin create role any_names nologin; exception when duplicate_object then null; end $$;
      create schema names;
      create type names.choice as enum ('a');
      grant usage on schema names to any_names;
      alter default privileges in schema names grant all on tables to any_names;`);
    server = createServer((request, response) => {
      makeRestHandler({
        database: target().database,
        schemaCache: () => cache,
        identify: async () => ({ role: 'any_names', settings: { role: 'any_names' }, isAnonymous: true }),
        options: () => options,
        mountPath: '',
        version: '0',
        log: ({ event, message }) => void (event === 'rest-statement' && statements.push(message)),
        authorizationOf: ({ authorization }) => authorization,
        crossOrigin: (method, headers) => postgrestCors(method, headers, null),
        requestIdSetting: null,
        logStatements: true,
        onAnswered: null,
      })(request, response, request.url ?? '/');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }, 60_000);
  afterAll(() => {
    server?.closeAllConnections();
    server?.close();
  });

  const make = async (tables: readonly string[], columns: readonly string[]) => {
    await target().run(tables.map((name) => tableOf(name, columns)).join(''));
    cache = await loadSchemaCache(target().database, {
      schemas: ['names'],
      extraSearchPath: [],
      hoistedSettings: [],
    });
  };
  const answers = async (requests: readonly Request[]): Promise<string[]> => {
    const { port } = server.address() as AddressInfo;
    const found: string[] = [];
    for (const [line, headers = {}, body] of requests) {
      const [method = '', path = ''] = line.split(' ');
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      // The shape of the answer without the names, which differ.
      found.push(
        response.ok ? `${response.status} ${/[[{]/.exec(text)?.[0] ?? ''}` : `${response.status} ${text}`,
      );
    }
    return found;
  };

  test('is read, written, called and digested like any other', { timeout: 120_000 }, async () => {
    await make(['plain'], ['other']);
    const plain = await answers(requestsOf('plain', 'other'));
    expect(plain.filter((answer) => !answer.startsWith('20'))).toEqual([]);
    await digestTables(executor, await listTables(executor));

    const own = new Set([
      'plain',
      'other',
      'names',
      'twice',
      'above',
      'any_names',
      'choice',
      ...columnsOfOurs,
      ...aliasesOfRequests,
    ]);
    const used = statements.flatMap(namesIn).filter(({ name }) => !own.has(name) && name.length < 60);
    const levels = new Set(
      used.filter(({ name }) => name.startsWith('plain_')).map(({ name }) => name.slice(5)),
    );
    const names = new Set(used.map(({ name }) => name).filter((name) => !name.startsWith('plain_')));
    expect([...names]).toEqual(
      expect.arrayContaining(['lightning_page', 'pgrst_body', 'json_agg', 'text', 'from']),
    );
    expect(levels.size).toBeGreaterThan(1);
    const tables = new Set([
      ...used.filter(({ name, isAlias }) => isAlias && names.has(name)).map(({ name }) => name),
      // These names are in no statement, and need every kind of quoting.
      'excluded',
      'new',
      'select',
      'json_agg',
      'text',
      'a"b',
      "a'b",
      'a%b',
      '$1',
      'a b',
      '_',
      '*'.repeat(63),
    ]);
    const columns = [...levels].map((level) => `leveled${level}`);

    await make([...tables], [...names, ...tables]);
    await make(['leveled'], columns);
    const wrong: string[] = [];
    for (const [table, column] of [
      ...[...tables].map((name) => [name, name] as const),
      ...columns.map((name) => ['leveled', name] as const),
    ]) {
      const requests = requestsOf(table, column);
      for (const [i, answer] of (await answers(requests)).entries())
        if (answer !== plain[i]) wrong.push(`${requests[i]?.[0]} gave ${answer} and not ${plain[i]}`);
    }
    expect(wrong).toEqual([]);
    const digests = await digestTables(executor, await listTables(executor));
    expect(digests.map(({ rows }) => rows)).toEqual(digests.map(() => 2));
    expect(digests).toHaveLength(tables.size + 2);
  });

  test('is digested whatever the types of its columns are', async () => {
    await target().run(`
      create type names.acls as (a aclitem, n int);
      create table names.types (t text, a aclitem, l names.acls[], j json, x xml);
      insert into names.types values ('x', null, '{}', '{}', '<a/>')`);
    const digest = async () => (await digestTables(executor, ['names.types']))[0];
    const before = await digest();
    expect(before?.rows).toBe(1);
    await target().run(`update names.types set a = makeaclitem(10, 10, 'SELECT', false)`);
    expect(await digest()).not.toEqual(before);
  });
});
