import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

/** A door, which calls a function with arguments that are written in JSON as they stand here. */
interface Door {
  readonly name: string;
  readonly call: (name: string, args: string, returns: string) => Promise<unknown>;
}

describe.each(apiTargets)('text that Postgres cannot hold, on the %s', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    token = await testToken();
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const post = async (path: string, body: string, type = 'application/json') => {
    const response = await fetch(app.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': type, prefer: 'return=representation' },
      body,
    });
    return { status: response.status, json: (await response.json()) as never };
  };
  const camel = (name: string) => name.replaceAll(/_[a-z]/g, (part) => part.slice(1).toUpperCase());
  /** The names of the arguments as GraphQL writes them. */
  const camelKeys = (args: string) => args.replaceAll(/"(task_id|fencing_token)":/g, camel);
  const mutation = (name: string, returns: string) =>
    `mutation($input: ${camel(name)[0]?.toUpperCase()}${camel(name).slice(1)}Input!) { ${camel(name)}(input: $input) { result ${returns} } }`;
  const resultOf = (answer: { data?: object | null; errors?: unknown }): unknown => {
    if (!answer.data) throw new Error(JSON.stringify(answer));
    const [{ result }] = Object.values(answer.data) as [{ result: unknown }];
    return Object.fromEntries(
      Object.entries(result as object).map(([key, value]) => [
        key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        value,
      ]),
    );
  };

  const rest: Door = {
    name: 'REST',
    call: async (name, args) => (await post(`/rest/v1/rpc/${name}`, args)).json,
  };
  const graphql: Door = {
    name: 'GraphQL',
    call: async (name, args, returns) => {
      const query = JSON.stringify(mutation(name, returns));
      return resultOf(
        (await post('/graphql', `{"query":${query},"variables":{"input":${camelKeys(args)}}}`)).json,
      );
    },
  };
  const literals: Door = {
    name: 'a literal of GraphQL',
    call: async (name, args, returns) => {
      const input = camelKeys(args).replaceAll(/"(\w+)":/g, '$1:');
      const query = JSON.stringify(`mutation { ${camel(name)}(input: ${input}) { result ${returns} } }`);
      return resultOf((await post('/graphql', `{"query":${query}}`)).json);
    },
  };
  const socket: Door = {
    name: 'a WebSocket',
    call: (name, args, returns) =>
      new Promise((resolve, reject) => {
        const client = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
        client.on('error', reject);
        client.on('open', () =>
          client.send(
            JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }),
          ),
        );
        client.on('message', (data) => {
          const { type, payload } = JSON.parse(String(data)) as { type: string; payload: { data: object } };
          if (type === 'connection_ack')
            client.send(
              `{"id":"1","type":"subscribe","payload":{"query":${JSON.stringify(mutation(name, returns))},"variables":{"input":${camelKeys(args)}}}}`,
            );
          else if (type === 'next') {
            resolve(resultOf(payload));
            client.close();
          } else reject(new Error(String(data)));
        });
      }),
  };
  /** JSON has another syntax in a literal of GraphQL. */
  const variables = [rest, graphql, socket];
  const doors = [...variables, literals];

  /** A claimed task, as the arguments of a call through REST, and through GraphQL, where a bigint is a string. */
  const claimed = async (door: Door) => {
    await rest.call('enqueue_task', '{"description":"x"}', '');
    const [task] = (await rest.call('claim_task', '{"agent":"a"}', '')) as {
      task_id: string;
      fencing_token: number;
    }[];
    const fence = String(task?.fencing_token);
    return `"task_id":"${task?.task_id}","fencing_token":${door === rest ? fence : `"${fence}"`}`;
  };

  it.each(doors)('$name records a failure whose text has U+0000 and half of a pair', async (door) => {
    const failed = await door.call(
      'fail_task',
      String.raw`{${await claimed(door)},"error":"boom \u0000 in \ud800 the \ud83d\ude00 log","retryable":false}`,
      '{ status errorMessage }',
    );
    expect(failed).toMatchObject({ status: 'failed', error_message: 'boom \uFFFD in \uFFFD the 😀 log' });
  });

  it.each(variables)('$name stores a result with NaN as Postgres writes it', async (door) => {
    const completed = await door.call(
      'complete_task',
      String.raw`{${await claimed(door)},"result":{"a\u0000":"\udc00 NaN","loss":NaN,"list":[-Infinity,Infinity],"__proto__":{"a":1},"a":1,"a":2}}`,
      '{ status result }',
    );
    expect(completed).toMatchObject({ status: 'completed' });
    expect((completed as { result: unknown }).result).toEqual(
      JSON.parse(
        '{"a\uFFFD":"\uFFFD NaN","loss":"NaN","list":["-Infinity","Infinity"],"__proto__":{"a":1},"a":2}',
      ),
    );
  });

  it.each(variables)('$name stores the other points of a call when one has a bad name', async ({ call }) => {
    const good = '{"service_name":"s","metric_name":"m","value":1}';
    const bad = String.raw`{"service_name":"s","metric_name":"m","value":2,"tags":{"a":"\u0000"}},
      {"service_name":"\udc00","metric_name":"m","value":2},{"service_name":"s","metric_name":"\ufffd","value":2},
      {"service_name":"s","metric_name":"m","value":NaN},{"service_name":"s","metric_name":"m","value":2,"tags":{"\ufffd":1}}`;
    const answer = await call('record_metrics', `{"points":[${good},${bad},${good}]}`, '{ stored rejected }');
    expect(answer).toEqual({
      stored: 2,
      rejected: [
        { index: 1, reason: 'tags has U+FFFD, which stands for a character that cannot be stored' },
        { index: 2, reason: 'service_name has U+FFFD, which stands for a character that cannot be stored' },
        { index: 3, reason: 'metric_name has U+FFFD, which stands for a character that cannot be stored' },
        { index: 4, reason: 'value is not finite: NaN' },
        { index: 5, reason: 'tags has U+FFFD, which stands for a character that cannot be stored' },
      ],
    });
  });

  const digits = '{"a":[1e400,12345678901234567890,0.10,-0.1e-20],"b":9007199254740993}';

  it.each(doors)('$name keeps the digits of numbers in JSON', async (door) => {
    const json = door === literals ? digits.replaceAll(/"(\w)":/g, '$1:') : digits;
    const task = (await door.call('enqueue_task', `{"description":"x","context":${json}}`, '{ id }')) as {
      id: string;
    };
    const { rows } = await target.admin.query<{ same: boolean; text: string }>(
      'select context = $2::jsonb as same, context::text as text from app_public.tasks where id = $1',
      [task.id, digits],
    );
    expect(rows).toEqual([{ same: true, text: expect.stringContaining('0.10') }]);
  });

  it.each([graphql, socket])('$name reads other numbers as their types are', async (door) => {
    const task = await door.call('enqueue_task', '{"description":"x","maxAttempts":1e1}', '{ maxAttempts }');
    expect(task).toEqual({ max_attempts: 10 });
    const embedding = `[${Array(1536).fill('0.12345678901234567890').join(',')}]`;
    const item = await door.call(
      'add_knowledge',
      `{"content":"x","embedding":${embedding}}`,
      '{ embedding }',
    );
    expect((item as { embedding: number[] }).embedding[0]).toBeCloseTo(0.123456789);
    const query = JSON.stringify(
      'mutation($id: UUID!, $token: BigInt) { completeTask(input: { taskId: $id, fencingToken: $token }) { result { id } } }',
    );
    const id = /"task_id":"(.*?)"/.exec(await claimed(rest))?.[1];
    const { json } = await post(
      '/graphql',
      `{"query":${query},"variables":{"id":"${id}","token":9007199254740993}}`,
    );
    expect(JSON.stringify(json)).toContain('fencing token 9007199254740993');
  });

  it('numbers that would use up the memory as text are refused by the name of the argument', async () => {
    const numbers = `[${Array(3_000).fill('1e131071').join(',')}]`;
    for (const [path, name, body] of [
      ['rpc/metric_latest', 'tags', `{"service":"s","tags":${numbers}}`],
      ['rpc/enqueue_tasks', 'tasks', `{"tasks":[{"description":"x","priority":${numbers}}]}`],
      ['tasks?columns=description,context', 'context', `{"description":"x","context":${numbers}}`],
    ])
      expect(await post(`/rest/v1/${path}`, String(body))).toMatchObject({
        status: 400,
        json: {
          code: 'LTR010',
          message: `invalid ${name}: the numbers print in more than 40,000,000 characters`,
        },
      });
    const variable = JSON.stringify(
      'query($tags: JSON) { metricLatest(service: "s", tags: $tags) { totalCount } }',
    );
    const literal = JSON.stringify(`{ metricLatest(service: "s", tags: ${numbers}) { totalCount } }`);
    for (const body of [`{"query":${variable},"variables":{"tags":${numbers}}}`, `{"query":${literal}}`])
      expect(await post('/graphql', body)).toMatchObject({
        status: 400,
        json: { errors: [{ extensions: { code: 'QUERY_TOO_COMPLEX' } }] },
      });
  });

  it('JSON that nests too deep is refused by the name of the argument', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    expect(await post('/rest/v1/rpc/enqueue_task', `{"description":"x","context":${deep}}`)).toMatchObject({
      status: 400,
      json: { code: '54001', message: 'invalid context: stack depth limit exceeded' },
    });
  });

  it('REST finds under %00 what was stored with U+0000', async () => {
    await post('/rest/v1/tasks', '{"description":"find \\u0000 me"}');
    await post('/rest/v1/tasks', 'description\nfind \0 me', 'text/csv');
    const found = await fetch(`${app.url}/rest/v1/tasks?select=description&description=eq.find%20%00%20me`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await found.json()).toEqual([
      { description: 'find \uFFFD me' },
      { description: 'find \uFFFD me' },
    ]);
  });

  it('a body may begin with a byte order mark', async () => {
    expect((await post('/rest/v1/tasks', '\uFEFF{"description":"bom"}')).status).toBe(201);
    expect((await post('/graphql', '\uFEFF{"query":"{ __typename }"}')).status).toBe(200);
  });

  it('a body that is not UTF-8 is refused', async () => {
    const body = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) as unknown as string;
    expect(await post('/rest/v1/tasks', body)).toMatchObject({ status: 400, json: { code: 'PGRST102' } });
    expect(await post('/graphql', body)).toMatchObject({
      status: 400,
      json: { errors: [{ message: 'the body is not UTF-8' }] },
    });
  });
});
