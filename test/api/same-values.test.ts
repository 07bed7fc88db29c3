import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseExact } from '../../src/exact-json.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { openEvents } from '../support/event-client.ts';
import { testRolePrefix } from '../support/logins.ts';

/** A column type, its selection in GraphQL, and values in the text form that Postgres reads. */
interface ColumnType {
  readonly type: string;
  readonly fields?: string;
  readonly values: readonly string[];
}

const range = '{ start { value inclusive } end { value inclusive } }';
const interval = '{ years months days hours minutes seconds }';
const longText = 'a "quoted", \\ line\r\n\tπ 🚀 \u0001 {NULL}';

/** The ends of each range, and the special values such as infinity. */
const columnTypes: readonly ColumnType[] = [
  { type: 'boolean', values: ['true', 'false'] },
  { type: 'smallint', values: ['-32768', '32767'] },
  { type: 'integer', values: ['-2147483648', '2147483647'] },
  { type: 'bigint', values: ['-9223372036854775808', '9223372036854775807'] },
  { type: 'real', values: ['-3.4028235e38', '1e-45', '0.1'] },
  {
    type: 'double precision',
    values: ['-1.7976931348623157e308', '5e-324', '0.1', '123456789.12345679'],
  },
  {
    type: 'numeric',
    values: ['NaN', 'Infinity', '-Infinity', '1e400', '0.10', '12345678901234567890.123456789'],
  },
  { type: 'text', values: ['', 'NULL', 'null', longText, "it's", '{}', ' '] },
  { type: 'varchar(10)', values: ['', 'ten chars.'] },
  { type: 'char(3)', values: ['a', 'abc'] },
  { type: 'uuid', values: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'] },
  { type: 'bytea', values: ['\\x', '\\x00ff'] },
  {
    type: 'timestamptz',
    values: [
      'infinity',
      '-infinity',
      '4714-11-24 00:00:00+00 BC',
      '0044-03-15 12:00:00+00 BC',
      '294276-12-31 23:59:59.999999+00',
      '1883-11-18 12:03:58+00',
      '2026-02-28 12:00:00.000001+00',
    ],
  },
  {
    type: 'timestamp',
    values: ['infinity', '-infinity', '4714-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999'],
  },
  { type: 'date', values: ['infinity', '-infinity', '4714-11-24 BC', '5874897-12-31', '2024-02-29'] },
  { type: 'time', values: ['00:00:00', '24:00:00', '23:59:59.999999'] },
  { type: 'timetz', values: ['00:00:00+15:59', '24:00:00-15:59', '12:00:00.000001+00'] },
  {
    type: 'interval',
    fields: interval,
    values: ['0', '-0.5 seconds', '-1 year +2 days -3 hours', '178000000 years', '-00:00:00.000001'],
  },
  {
    type: 'jsonb',
    values: [
      '"x"',
      '1e400',
      '12345678901234567890',
      '[0.12345678901234567890, {"a": 9007199254740993}]',
      '{"": [null, true, "\\ud83d\\ude80"]}',
    ],
  },
  { type: 'json', values: ['{"b":12345678901234567890,"a":1}'] },
  { type: 'inet', values: ['10.0.0.1', '10.0.0.0/8', '::1', '2001:db8::/32'] },
  { type: 'cidr', values: ['10.0.0.0/8', '::/0'] },
  { type: 'macaddr', values: ['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff'] },
  { type: 'bit(3)', values: ['000', '101'] },
  { type: 'varbit', values: ['1', '101010101'] },
  { type: 'int4range', fields: range, values: ['(,)', '[1,2147483647)'] },
  {
    type: 'tstzrange',
    fields: range,
    values: [
      '[-infinity,infinity]',
      '["2026-01-01 00:00:00+00",)',
      '["0044-03-15 00:00:00+00 BC","2026-01-01 00:00:00+00")',
    ],
  },
  { type: 'point', fields: '{ x y }', values: ['(0,0)', '(-1.5,1e300)'] },
  { type: 'text[]', values: ['{}', '{NULL,"NULL","",a,"a,b","\\"","\\\\"}'] },
  { type: 'integer[]', values: ['{}', '{NULL,-2147483648,2147483647}'] },
  { type: 'timestamptz[]', values: ['{}', '{infinity,NULL,"0044-03-15 00:00:00+00 BC"}'] },
  { type: 'jsonb[]', values: ['{}', '{NULL,1e400,"{\\"a\\": 12345678901234567890}"}'] },
  { type: 'vector(3)', values: ['[0,0,0]', '[-3.4e38,1e-45,0.1]'] },
];

const quote = (field: string): string => `"${field.replaceAll('"', '""')}"`;

const columns = columnTypes.map(({ type }, i) => `c${i} ${type}`);
const names = columnTypes.map((_, i) => `c${i}`);
/** One row per value, and one row of nulls. */
const rowCount = columnTypes.reduce((sum, { values }) => sum + values.length, 1);
const isJson = (type: string): boolean => /^jsonb?\b/.test(type);

describe.each(apiTargets)('the extreme values of every column type, on the %s', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let headers: Record<string, string>;

  beforeAll(async () => {
    target = await open();
    const { admin } = target;
    await admin.query(`set timezone = 'UTC'`);
    for (const table of ['extreme_value', 'by_rest', 'by_csv', 'by_graphql']) {
      await admin.query(`create table app_public.${table} (id integer primary key, ${columns.join(', ')});
        grant select, insert on app_public.${table} to ${testRolePrefix}_service`);
    }
    let id = 0;
    await admin.query(`insert into app_public.extreme_value (id) values (0)`);
    for (const [i, { type, values }] of columnTypes.entries()) {
      for (const value of values) {
        id += 1;
        await admin.query(`insert into app_public.extreme_value (id, c${i}) values ($1, $2::text::${type})`, [
          id,
          value,
        ]);
      }
    }
    app = await startApp(target.database);
    headers = { authorization: `Bearer ${await testToken()}` };
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  /** Rows of the copy, as text, that differ from the original in a column. */
  const differences = async (copy: string, compared = names): Promise<unknown[]> => {
    const { rows: counted } = await target.admin.query(`select count(*)::int from app_public.${copy}`);
    expect(counted[0].count).toBe(rowCount);
    const { rows } = await target.admin.query(`
      select id, ${compared.map((name) => `o.${name}::text as ${name}, c.${name}::text as ${name}_copy`).join(', ')}
      from app_public.extreme_value o full join app_public.${copy} c using (id)
      where ${compared.map((name) => `o.${name}::text is distinct from c.${name}::text`).join(' or ')} order by id`);
    return rows.map((row: object) =>
      Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)),
    );
  };
  const read = async (accept: string): Promise<string> => {
    const response = await fetch(`${app.url}/rest/v1/extreme_value?order=id`, {
      headers: { ...headers, accept },
    });
    expect(response.status).toBe(200);
    return response.text();
  };
  const write = async (table: string, type: string, body: string): Promise<void> => {
    const response = await fetch(`${app.url}/rest/v1/${table}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': type },
      body,
    });
    expect([response.status, await response.text()]).toEqual([201, '']);
  };

  it('go through REST as JSON, out and in', async () => {
    await write('by_rest', 'application/json', await read('application/json'));
    expect(await differences('by_rest')).toEqual([]);
  });

  it('go through REST as CSV, out and in', async () => {
    // As in PostgREST, CSV writes null as an empty field and reads NULL as null, so neither text can be told from a null.
    const lines: string[][] = parse(await read('text/csv'));
    const fields = lines.map((line) => line.map((field) => (field === '' ? 'NULL' : quote(field))).join(','));
    await write('by_csv', 'text/csv', fields.join('\n'));
    // A value read for a JSON column is a JSON string.
    const others = names.filter(
      (_, i) => !columnTypes[i]!.values.includes('') && !isJson(columnTypes[i]!.type),
    );
    expect(await differences('by_csv', others)).toEqual([]);
  });

  it('go through GraphQL, out and in', async () => {
    const fields = columnTypes.map(({ fields: selected = '' }, i) => `c${i} ${selected}`).join(' ');
    const token = headers['authorization']!.slice('Bearer '.length);
    const answer = await app.graphql(token, `{ extremeValues(orderBy: ID_ASC) { nodes { id ${fields} } } }`);
    expect(answer.errors).toBeUndefined();
    const { nodes } = (answer.data as unknown as { extremeValues: { nodes: Record<string, unknown>[] } })
      .extremeValues;
    expect(nodes).toHaveLength(rowCount);
    for (const byGraphql of nodes) {
      const made = await app.graphql(
        token,
        'mutation ($byGraphql: ByGraphqlInput!) { createByGraphql(input: { byGraphql: $byGraphql }) { clientMutationId } }',
        { byGraphql },
      );
      expect(made.errors, JSON.stringify(byGraphql)).toBeUndefined();
    }
    // A client's own JSON variables are read as doubles; the answer is compared digit by digit below.
    const exact = names.filter((_, i) => !isJson(columnTypes[i]!.type));
    expect(await differences('by_graphql', exact)).toEqual([]);
  });

  it('are the same JSON in GraphQL and REST, digit by digit', async () => {
    const jsonNames = names.filter((_, i) => isJson(columnTypes[i]!.type));
    const response = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({
        query: `{ extremeValues(orderBy: ID_ASC) { nodes { ${jsonNames.join(' ')} } } }`,
      }),
    });
    const { data } = parseExact(await response.text()) as { data: { extremeValues: { nodes: object[] } } };
    const rest = parseExact(await read('application/json')) as Record<string, unknown>[];
    const picked = rest.map((row) => Object.fromEntries(jsonNames.map((name) => [name, row[name]])));
    expect(picked.length).toBe(rowCount);
    expect(JSON.stringify(data.extremeValues.nodes)).toBe(JSON.stringify(picked));
  });

  it('a value that GraphQL cannot express is an error that says so, and the other fields are answered', async () => {
    await target.admin.query(
      `create table app_public.not_a_number (id integer primary key, f double precision, t text[], r int4range);
       insert into app_public.not_a_number values (1, 'NaN', '{{a,b},{c,d}}', 'empty'), (2, 'Infinity', null, null), (3, 1, '{a}', '(,)');
       grant select on app_public.not_a_number to ${testRolePrefix}_service`,
    );
    const second = await startApp(target.database);
    try {
      const { data, errors } = await second.graphql(
        await testToken(),
        '{ notANumbers(orderBy: ID_ASC) { nodes { id f t r { start { value } } } } }',
      );
      expect(data).toEqual({
        notANumbers: {
          nodes: [
            { id: 1, f: null, t: [null, null], r: null },
            { id: 2, f: null, t: null, r: null },
            { id: 3, f: 1, t: ['a'], r: { start: null } },
          ],
        },
      });
      expect(new Set(errors?.map(({ extensions }) => extensions.code))).toEqual(
        new Set(['VALUE_NOT_REPRESENTABLE']),
      );
    } finally {
      await second.close();
    }
  }, 60_000);

  it('every door shows the tasks of a paused workflow alike', async () => {
    const rest = async (path: string, body: object): Promise<Record<string, string>[]> => {
      const response = await fetch(`${app.url}/rest/v1/${path}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', prefer: 'return=representation' },
        body: JSON.stringify(body),
      });
      expect(response.ok).toBe(true);
      return (await response.json()) as Record<string, string>[];
    };
    const [workflow] = await rest('workflows', {
      name: 'p',
      steps: [{ key: 'a', task: { description: 'a' } }],
    });
    const id = workflow!['id']!;
    await rest('rpc/start_workflow', { workflow_id: id });
    const token = headers['authorization']!.slice('Bearer '.length);
    const events = await openEvents(app.url, token, { topics: 'tasks' });
    try {
      // Events before the first one may be missed.
      expect((await events.next()).event).toBe('ready');
      await rest('rpc/pause_workflow', { workflow_id: id });
      let event = await events.next();
      while (event.data.row?.['run_after'] !== 'infinity') event = await events.next();
    } finally {
      events.close();
    }
    const { data, errors } = await app.graphql(
      token,
      `{ workflow(id: "${id}") { tasks(filter: { runAfter: { equalTo: "infinity" } }) { nodes { runAfter } } } }`,
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({ workflow: { tasks: { nodes: [{ runAfter: 'infinity' }] } } });
    const response = await fetch(`${app.url}/rest/v1/tasks?workflow_id=eq.${id}&select=run_after`, {
      headers,
    });
    expect(await response.json()).toEqual([{ run_after: 'infinity' }]);
  }, 60_000);
});
