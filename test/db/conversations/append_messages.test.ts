import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RequestRole } from '../../../src/auth/claims.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { callOf, taskTenant } from '../../support/task-target.ts';
import type { Row, TaskTenant } from '../../support/task-target.ts';

const nowhere = '00000000-0000-4000-8000-000000000000';

describe.each(apiTargets)('what is said in a thread (%s)', (_, open) => {
  let target: ApiTarget;
  let tenant: TaskTenant;
  let thread: string;

  beforeAll(async () => {
    target = await open();
  });
  afterAll(() => target?.close());
  beforeEach(async () => {
    tenant = await taskTenant(target);
    thread = await begin();
  });

  /** Inserts a thread and returns its id. */
  const begin = async (columns = '', values = ''): Promise<string> => {
    const { rows } = await tenant.as('member').query<{ id: string }>({
      text: `insert into threads (title${columns}) values ('t'${values}) returning id`,
    });
    return rows[0]!.id;
  };
  const append = (
    messages: unknown,
    { role = 'member', ...args }: Row & { role?: RequestRole } = {},
  ): Promise<Row[]> =>
    tenant.call(role, 'append_messages', { thread_id: thread, messages: JSON.stringify(messages), ...args });
  const say = (content: string, args: Row & { role?: RequestRole } = {}): Promise<Row[]> =>
    append([{ role: 'user', content }], args);
  const asMember = async (text: string): Promise<Row[]> =>
    (await tenant.as('member').query<Row>({ text })).rows;
  const threadNow = async (): Promise<Row> =>
    (await asMember(`select * from threads where id = '${thread}'`))[0]!;
  const said = async (): Promise<unknown[]> =>
    (await asMember(`select content from messages where thread_id = '${thread}' order by number`)).map(
      ({ content }) => content,
    );

  test('gets numbers from 1, and a thread counts its messages', async () => {
    expect(await threadNow()).toMatchObject({ version: 0 });
    const first = await append([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
    ]);
    expect(first).toMatchObject([
      { thread_id: thread, tenant_id: tenant.name, number: 1, role: 'system', content: 'Be brief.' },
      { number: 2, role: 'user', content: 'Hello', metadata: {}, tool_calls: null, idempotency_key: null },
    ]);
    const [next] = await append([{ role: 'assistant', content: 'Hi' }]);
    expect(next).toMatchObject({ number: 3 });
    expect(await threadNow()).toMatchObject({ version: 3, last_message_at: next!['created_at'] });
    expect((next!['created_at'] as Date) >= (first[0]!['created_at'] as Date)).toBe(true);
  });

  test('is kept as it was said', async () => {
    const call = { id: 'call_1', function: { name: 'weather', arguments: '{"city": "Rome"}' } };
    const messages = [
      { role: 'developer', content: '', name: 'ada' },
      { role: 'assistant', tool_calls: [call], input_tokens: 31, output_tokens: 0 },
      { role: 'tool', content: '21°', tool_call_id: 'call_1', metadata: { took: 3.5 } },
      { role: 'user', content: 'x', id: nowhere, name: null, tool_calls: null, metadata: null },
    ];
    expect(await append(messages)).toMatchObject([
      messages[0]!,
      { ...messages[1]!, content: null },
      messages[2]!,
      { content: 'x', id: nowhere, name: null, tool_calls: null, metadata: {} },
    ]);
    await expect(append([{ role: 'user', content: 'y', id: nowhere }])).rejects.toMatchObject({
      code: '23505',
    });
    expect(await threadNow()).toMatchObject({ version: 4 });
  });

  test('is refused of the second of two writers that expected the same version, which learns the version there is', async () => {
    await say('one', { expected_version: 0 });
    await expect(say('two', { expected_version: 0 })).rejects.toMatchObject({
      code: 'LTC02',
      message: `thread ${thread} has version 1, not 0`,
      detail: '{"version": 1}',
    });
    await expect(say('two', { expected_version: 2 })).rejects.toMatchObject({ code: 'LTC02' });
    await say('two', { expected_version: 1 });
    await say('three');
    expect(await said()).toEqual(['one', 'two', 'three']);
  });

  test('is said once under a key: the call again gives what the first gave, whatever was said since', async () => {
    const messages = [
      { role: 'user', content: 'a', metadata: { x: [1] } },
      { role: 'tool', content: 'b' },
    ];
    const first = await append(messages, { idempotency_key: 'k', expected_version: 0 });
    await say('between');
    expect(await append(messages, { idempotency_key: 'k', expected_version: 0 })).toEqual(first);
    expect(await append(messages, { idempotency_key: 'k' })).toEqual(first);
    expect(await said()).toEqual(['a', 'b', 'between']);
    await say('between', { idempotency_key: 'other' });
    thread = await begin();
    expect(await append(messages, { idempotency_key: 'k' })).toMatchObject([{ number: 1 }, { number: 2 }]);
  });

  test.each<[string, unknown]>([
    [
      'another text',
      [
        { role: 'user', content: 'A' },
        { role: 'user', content: 'b', name: 'n' },
      ],
    ],
    [
      'another role',
      [
        { role: 'tool', content: 'a' },
        { role: 'user', content: 'b', name: 'n' },
      ],
    ],
    [
      'one more',
      [
        { role: 'user', content: 'a' },
        { role: 'user', content: 'b', name: 'n' },
        { role: 'user', content: 'c' },
      ],
    ],
    ['one fewer', [{ role: 'user', content: 'a' }]],
    [
      'less',
      [
        { role: 'user', content: 'a' },
        { role: 'user', content: 'b' },
      ],
    ],
    [
      'another order',
      [
        { role: 'user', content: 'b', name: 'n' },
        { role: 'user', content: 'a' },
      ],
    ],
    [
      'other metadata',
      [
        { role: 'user', content: 'a', metadata: { x: 1 } },
        { role: 'user', content: 'b', name: 'n' },
      ],
    ],
    [
      'an id',
      [
        { role: 'user', content: 'a', id: nowhere },
        { role: 'user', content: 'b', name: 'n' },
      ],
    ],
    [
      'a time',
      [
        { role: 'user', content: 'a', created_at: '2020-01-01' },
        { role: 'user', content: 'b', name: 'n' },
      ],
    ],
  ])('is refused under the key of other messages: %s', async (_what, other) => {
    await append(
      [
        { role: 'user', content: 'a' },
        { role: 'user', content: 'b', name: 'n' },
      ],
      { idempotency_key: 'k' },
    );
    await expect(append(other, { idempotency_key: 'k', role: 'service' })).rejects.toMatchObject({
      code: 'LTC04',
      message: `the key k stands for other messages in thread ${thread}`,
    });
    expect(await said()).toEqual(['a', 'b']);
  });

  test("is refused in a thread that does not exist, or is another tenant's", async () => {
    const refusal = (id: string) => ({ code: 'LTC01', message: `thread ${id} does not exist` });
    const theirs = thread;
    tenant = await taskTenant(target);
    await expect(say('x')).rejects.toMatchObject(refusal(theirs));
    thread = nowhere;
    await expect(say('x')).rejects.toMatchObject(refusal(nowhere));
  });

  const user = { role: 'user', content: 'x' };
  test.each<[unknown, string]>([
    [null, 'messages: must be an array of 1 to 1000 objects, not null'],
    [user, 'messages: must be an array of 1 to 1000 objects, not object'],
    [[], 'messages: must be an array of 1 to 1000 objects, not an array of 0'],
    [
      Array.from({ length: 1001 }, () => user),
      'messages: must be an array of 1 to 1000 objects, not an array of 1001',
    ],
    [[user, 'x'], 'messages[1]: must be an object'],
    [[user, { ...user, number: 7, age: 1 }], 'messages[1].age: unknown property'],
    [[{ content: 'x' }], 'messages[0].role: must be one of system, developer, user, assistant, tool'],
    [
      [{ ...user, role: 'human' }],
      'messages[0].role: must be one of system, developer, user, assistant, tool',
    ],
    [
      [{ ...user, content: ['x'] }],
      'messages[0].content: must be a string; metadata takes parts of another kind',
    ],
    [[{ role: 'user' }], 'messages[0].content: is missing, and there are no tool_calls either'],
    [
      [{ role: 'user', tool_calls: [] }],
      'messages[0].content: is missing, and there are no tool_calls either',
    ],
    [[{ ...user, tool_calls: {} }], 'messages[0].tool_calls: must be an array of objects'],
    [[{ ...user, tool_calls: [{}, null] }], 'messages[0].tool_calls: must be an array of objects'],
    [[{ ...user, tool_call_id: '' }], 'messages[0].tool_call_id: must be a string of 1 to 200 characters'],
    [[{ ...user, name: 'n'.repeat(101) }], 'messages[0].name: must be a string of 1 to 100 characters'],
    [
      [{ ...user, input_tokens: -1 }],
      'messages[0].input_tokens: must be a whole number from 0 to 2147483647',
    ],
    [
      [{ ...user, input_tokens: [5] }],
      'messages[0].input_tokens: must be a whole number from 0 to 2147483647',
    ],
    [
      [{ ...user, output_tokens: 1.5 }],
      'messages[0].output_tokens: must be a whole number from 0 to 2147483647',
    ],
    [
      [{ ...user, output_tokens: '5' }],
      'messages[0].output_tokens: must be a whole number from 0 to 2147483647',
    ],
    [[{ ...user, metadata: [] }], 'messages[0].metadata: must be an object'],
    [[{ ...user, id: '7' }], 'messages[0].id: must be a UUID'],
    [
      [{ ...user, created_at: '2020-01-01' }],
      'messages[0].created_at: may be given by the roles service and admin only',
    ],
  ])('is refused with the place and the reason: %j', async (messages, message) => {
    await expect(append(messages)).rejects.toMatchObject({ code: 'LTC03', message: `invalid ${message}` });
    expect(await said()).toEqual([]);
  });

  test('is refused when a call has more than 8,000,000 bytes, or a key of no or too many characters', async () => {
    const half = { role: 'user', content: 'x'.repeat(4_000_000) };
    await expect(append([half, half])).rejects.toMatchObject({
      code: 'LTC03',
      message: 'invalid messages: must have at most 8000000 bytes together',
    });
    await expect(append([half])).resolves.toHaveLength(1);
    // From a table it comes compressed.
    await target.admin.query('create temp table kept as select $1::jsonb as messages', [
      JSON.stringify([half, half]),
    ]);
    await target.admin.query("insert into kept select '[]'");
    await expect(
      target.admin.query('select app_public.append_messages($1, messages) from kept limit 1', [thread]),
    ).rejects.toMatchObject({
      code: 'LTC03',
      message: 'invalid messages: must have at most 8000000 bytes together',
    });
    await target.admin.query('drop table kept');
    for (const idempotency_key of ['', 'k'.repeat(201)])
      await expect(say('x', { idempotency_key })).rejects.toMatchObject({
        code: 'LTC03',
        message: 'invalid idempotency_key: must have 1 to 200 characters',
      });
  });

  test('fits a thread of 100,000 messages, and is refused beyond', async () => {
    await target.admin.query('update app_public.threads set version = 99998 where id = $1', [thread]);
    await expect(append([user, user, user])).rejects.toMatchObject({
      code: 'LTC05',
      message: `thread ${thread} has 99998 messages, and would have more than 100000`,
    });
    expect(await append([user, user])).toMatchObject([{ number: 99_999 }, { number: 100_000 }]);
    await expect(say('x')).rejects.toMatchObject({ code: 'LTC05' });
  });

  test('comes a thousand at a time', async () => {
    const rows = await append(
      Array.from({ length: 1000 }, (_unused, i) => ({ role: 'user', content: `${i}` })),
    );
    expect(rows.map(({ number, content }) => [number, content])).toEqual(
      Array.from({ length: 1000 }, (_unused, i) => [i + 1, `${i}`]),
    );
  });

  test('leaves no gap where a transaction is rolled back', async () => {
    const undone = tenant.as('member').transaction(async (transaction) => {
      await transaction.query(
        callOf('append_messages', { thread_id: thread, messages: JSON.stringify([user, user]) }),
      );
      throw new Error('undone on purpose');
    });
    await expect(undone).rejects.toThrow('undone on purpose');
    expect(await say('x')).toMatchObject([{ number: 1 }]);
  });

  test('has a time of its own, and may lack a role, where a program imports it', async () => {
    const history = [
      {
        content: 'long ago',
        created_at: '2020-01-02T03:04:05Z',
        metadata: { legacy: { id: 'c-7', truncated: true } },
      },
      { role: 'assistant', content: 'earlier still', created_at: '2019-01-01T00:00:00Z' },
    ];
    const latest = new Date('2020-01-02T03:04:05Z');
    expect(await append(history, { role: 'service', idempotency_key: 'c-7' })).toMatchObject([
      { role: null, created_at: latest, metadata: { legacy: { id: 'c-7' } } },
      { created_at: new Date('2019-01-01T00:00:00Z') },
    ]);
    expect(await append(history, { role: 'admin', idempotency_key: 'c-7' })).toHaveLength(2);
    expect(await threadNow()).toMatchObject({ last_message_at: latest });
    await append([history[1]], { role: 'admin' });
    expect(await threadNow()).toMatchObject({ last_message_at: latest, version: 3 });
    await say('now');
    expect(((await threadNow())['last_message_at'] as Date) > latest).toBe(true);
    for (const created_at of ['infinity', 'soon'])
      await expect(append([{ ...user, created_at }], { role: 'service' })).rejects.toMatchObject({
        code: 'LTC03',
        message: expect.stringMatching(
          /^invalid messages\[0\]\.created_at: must be a (finite )?timestamp$/,
        ) as string,
      });
  });

  test('cannot be written, numbered, changed or deleted in any other way', async () => {
    await say('x');
    for (const [role, statement] of [
      [
        'member',
        `insert into messages (thread_id, number, role, content) values ('${thread}', 2, 'user', 'y')`,
      ],
      [
        'service',
        `insert into messages (thread_id, number, role, content) values ('${thread}', 2, 'user', 'y')`,
      ],
      ['admin', `insert into messages (thread_id, role, content) values ('${thread}', 'user', 'y')`],
      ['admin', "update messages set content = 'y'"],
      ['admin', 'delete from messages'],
      ['admin', 'update threads set version = 7'],
      ['admin', 'update threads set last_message_at = now()'],
      ['admin', 'insert into threads (version) values (7)'],
      ['admin', 'insert into threads (last_message_at) values (now())'],
      ['member', 'insert into threads (created_at) values (now())'],
      ['anon', 'select 1 from messages'],
    ] as const)
      await expect(tenant.as(role).query({ text: statement }), statement).rejects.toMatchObject({
        code: '42501',
      });
    await expect(say('y', { role: 'anon' })).rejects.toMatchObject({ code: '42501' });
    expect(await said()).toEqual(['x']);
  });

  test('goes with its thread, which any writer of the tenant deletes, and stays without its agent and task', async () => {
    await tenant
      .as('service')
      .query({ text: "insert into agents (id, name, model) values ('ada', 'A', 'm')" });
    const { id: task } = await tenant.one('enqueue_task', { description: 'read' });
    thread = await begin(', agent_id, task_id', `, 'ada', '${String(task)}'`);
    await say('x');
    await tenant.as('service').query({ text: "delete from agents where id = 'ada'" });
    await asMember(`delete from tasks where id = '${String(task)}'`);
    expect(await threadNow()).toMatchObject({ agent_id: null, task_id: null, version: 1 });
    const gone = await asMember(`delete from threads where id = '${thread}' returning id`);
    expect([gone, await said()]).toEqual([[{ id: thread }], []]);
    await expect(say('y')).rejects.toMatchObject({ code: 'LTC01' });
  });

  test('is in the audit log as it was said, and its thread without what it counts', async () => {
    await say('x');
    await asMember(`update threads set title = 'renamed' where id = '${thread}'`);
    const { rows } = await tenant.admin.query(
      `select table_name, operation, subject, role, new_values ->> 'content' as content, new_values ->> 'title' as title
       from audit.log where tenant_id = $1 and table_name ~ 'threads|messages' order by id`,
      [tenant.name],
    );
    const who = { subject: `member@${tenant.name}` };
    expect(rows).toMatchObject([
      { table_name: 'app_public.threads', operation: 'insert', title: 't', ...who },
      { table_name: 'app_public.messages', operation: 'insert', content: 'x', ...who },
      { table_name: 'app_public.threads', operation: 'update', title: 'renamed', ...who },
    ]);
  });

  test('has no numbers that print without end, and neither has its thread', async () => {
    const long = `[${'1e131071,'.repeat(100)}0]`;
    const refusal = { code: 'LTK02' };
    const raw = (message: string) =>
      tenant.call('member', 'append_messages', { thread_id: thread, messages: `[${message}]` });
    await expect(raw(`{"role": "user", "content": "x", "metadata": {"n": ${long}}}`)).rejects.toMatchObject(
      refusal,
    );
    await expect(raw(`{"role": "user", "tool_calls": [{"n": ${long}}]}`)).rejects.toMatchObject(refusal);
    await expect(asMember(`update threads set metadata = '{"n": ${long}}'`)).rejects.toMatchObject(refusal);
  });

  test('the keys of a thread cannot be changed', async () => {
    await expect(
      target.admin.query('update app_public.threads set id = gen_random_uuid() where id = $1', [thread]),
    ).rejects.toMatchObject({ code: 'LTK01' });
  });
});
