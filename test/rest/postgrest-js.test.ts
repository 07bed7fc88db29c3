import { PostgrestClient } from '@supabase/postgrest-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

/** `maxAffected` exists only for clients that know their server's version. */
interface TypedDatabase {
  __InternalSupabase: { PostgrestVersion: '14' };
  public: {
    Tables: {
      agents: { Row: { id: string }; Insert: { id: string }; Update: { id: string }; Relationships: [] };
    };
    Views: Record<never, never>;
    Functions: Record<never, never>;
  };
}

// The most common client, with defaults, against this project's own tables.
describe.each(apiTargets)('postgrest-js on the %s database', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let api: PostgrestClient;
  let anonymous: PostgrestClient;

  beforeAll(async () => {
    target = await open();
    await target.admin.query(`
      create function app_public.add_up(a integer, b integer default 1) returns integer
        language sql immutable as 'select a + b';
      create function app_public.tasks_of(agent text) returns setof app_public.tasks
        language sql stable as 'select * from app_public.tasks where agent_id = agent';
      grant execute on function app_public.add_up(integer, integer), app_public.tasks_of(text) to public;`);
    app = await startApp(target.database, { rest: { plans: true } });
    const clientWith = (headers: Record<string, string>) =>
      new PostgrestClient(`${app.url}/rest/v1`, { headers });
    api = clientWith({ authorization: `Bearer ${await testToken('service')}` });
    anonymous = clientWith({});
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  beforeEach(async () => {
    await target.admin.query('delete from app_public.tasks; delete from app_public.agents');
    await api
      .from('agents')
      .insert([
        { id: 'ada', name: 'Ada', model: 'gpt-4o', status: 'idle', config: { tools: ['search'], depth: 2 } },
        { id: 'bob', name: 'Bob', model: 'gpt-4o', status: 'busy', config: { tools: [], depth: 5 } },
        {
          id: 'cyd',
          name: 'Cyd',
          model: 'claude',
          status: 'offline',
          specialization: 'full stack',
          config: {},
        },
      ])
      .throwOnError();
    await api
      .from('tasks')
      .insert(
        [
          { agent_id: 'ada', description: 'read the sources', priority: 'high', status: 'completed' },
          { agent_id: 'ada', description: 'write a report', priority: 'low' },
          { agent_id: 'bob', description: 'call mother', priority: 'high' },
          { description: 'for nobody', priority: 'normal' },
        ],
        { defaultToNull: false },
      )
      .throwOnError();
  });

  const ids = (rows: { id: string }[] | null) => rows?.map(({ id }) => id);
  const agents = () => api.from('agents').select('id').order('id');

  describe('filters', () => {
    test.each([
      ['eq', () => agents().eq('status', 'busy'), ['bob']],
      ['neq', () => agents().neq('status', 'busy'), ['ada', 'cyd']],
      ['gt', () => agents().gt('id', 'ada'), ['bob', 'cyd']],
      ['gte', () => agents().gte('id', 'bob'), ['bob', 'cyd']],
      ['lt', () => agents().lt('id', 'bob'), ['ada']],
      ['lte', () => agents().lte('id', 'bob'), ['ada', 'bob']],
      ['like', () => agents().like('name', 'A%'), ['ada']],
      ['likeAllOf', () => agents().likeAllOf('name', ['%d%', 'A%']), ['ada']],
      ['likeAnyOf', () => agents().likeAnyOf('name', ['A%', 'B%']), ['ada', 'bob']],
      ['ilike', () => agents().ilike('name', 'a%'), ['ada']],
      ['ilikeAllOf', () => agents().ilikeAllOf('name', ['%D%', 'a%']), ['ada']],
      ['ilikeAnyOf', () => agents().ilikeAnyOf('name', ['a%', 'b%']), ['ada', 'bob']],
      ['regexMatch', () => agents().regexMatch('name', '^[AB]'), ['ada', 'bob']],
      ['regexIMatch', () => agents().regexIMatch('name', '^[ab]'), ['ada', 'bob']],
      ['is', () => agents().is('specialization', null), ['ada', 'bob']],
      ['isDistinct', () => agents().isDistinct('specialization', 'full stack'), ['ada', 'bob']],
      ['in', () => agents().in('id', ['ada', 'cyd', 'nobody, at all']), ['ada', 'cyd']],
      ['notIn', () => agents().notIn('id', ['ada', 'cyd']), ['bob']],
      ['contains', () => agents().contains('config', { tools: ['search'] }), ['ada']],
      ['containedBy', () => agents().containedBy('config', { tools: [], depth: 5, more: 1 }), ['bob', 'cyd']],
      ['textSearch', () => agents().textSearch('specialization', 'stack', { type: 'plain' }), ['cyd']],
      ['match', () => agents().match({ model: 'gpt-4o', status: 'idle' }), ['ada']],
      ['not', () => agents().not('status', 'eq', 'idle'), ['bob', 'cyd']],
      ['or', () => agents().or('status.eq.idle,and(model.eq.claude,status.neq.idle)'), ['ada', 'cyd']],
      ['filter', () => agents().filter('config->>depth', 'eq', '5'), ['bob']],
    ])('%s', async (_name, query, expected) => {
      const { data, error } = await query();
      expect(error).toBeNull();
      expect(ids(data)).toEqual(expected);
    });

    test('ranges of values: rangeGt, rangeGte, rangeLt, rangeLte, rangeAdjacent, overlaps', async () => {
      await target.admin.query(`
        create table app_public.bookings (id text primary key, during int4range, tags text[]);
        grant select on app_public.bookings to public;
        insert into app_public.bookings values ('early', '[1,5)', '{a,b}'), ('late', '[5,9)', '{c}');
        notify pgrst`);
      try {
        await expect
          .poll(async () => (await api.from('bookings').select()).status, { timeout: 10_000 })
          .toBe(200);
        const bookings = () => api.from('bookings').select('id').order('id');
        expect(ids((await bookings().rangeGt('during', '[1,3)')).data)).toEqual(['late']);
        expect(ids((await bookings().rangeGte('during', '[5,6)')).data)).toEqual(['late']);
        expect(ids((await bookings().rangeLt('during', '[5,6)')).data)).toEqual(['early']);
        expect(ids((await bookings().rangeLte('during', '[1,5)')).data)).toEqual(['early']);
        expect(ids((await bookings().rangeAdjacent('during', '[9,10)')).data)).toEqual(['late']);
        expect(ids((await bookings().overlaps('tags', ['b', 'x'])).data)).toEqual(['early']);
      } finally {
        await target.admin.query('drop table app_public.bookings; notify pgrst');
      }
    });
  });

  test('pages by range and limit, orders with nulls, and counts in all three ways', async () => {
    const { data, count } = await api
      .from('agents')
      .select('id', { count: 'exact' })
      .order('specialization', { ascending: false, nullsFirst: false })
      .order('id')
      .range(1, 2);
    expect({ ids: ids(data), count }).toEqual({ ids: ['ada', 'bob'], count: 3 });
    expect((await api.from('agents').select('*', { count: 'exact', head: true })).count).toBe(3);
    expect((await api.from('agents').select('id', { count: 'planned' })).count).toBeGreaterThanOrEqual(0);
    expect((await api.from('agents').select('id', { count: 'estimated' })).count).toBe(3);
    expect(ids((await agents().limit(1)).data)).toEqual(['ada']);
  });

  test('embeds to-one and to-many, with filters, order and limit inside, inner joins and spreads', async () => {
    const { data } = await api
      .from('agents')
      .select('id, tasks(description, priority)')
      .eq('tasks.priority', 'high')
      .order('id')
      .order('description', { referencedTable: 'tasks' })
      .limit(1, { referencedTable: 'tasks' });
    expect(data).toEqual([
      { id: 'ada', tasks: [{ description: 'read the sources', priority: 'high' }] },
      { id: 'bob', tasks: [{ description: 'call mother', priority: 'high' }] },
      { id: 'cyd', tasks: [] },
    ]);
    const inner = await api.from('agents').select('id, tasks!inner(id)').order('id');
    expect(ids(inner.data)).toEqual(['ada', 'bob']);
    const toOne = await api.from('tasks').select('description, agent:agents(name)').order('description');
    expect(toOne.data).toEqual([
      { description: 'call mother', agent: { name: 'Bob' } },
      { description: 'for nobody', agent: null },
      { description: 'read the sources', agent: { name: 'Ada' } },
      { description: 'write a report', agent: { name: 'Ada' } },
    ]);
    const spread = await api
      .from('tasks')
      .select('description, ...agents(agent_name:name)')
      .eq('agent_id', 'bob');
    expect(spread.data).toEqual([{ description: 'call mother', agent_name: 'Bob' }]);
  });

  test('groups and aggregates', async () => {
    const { data } = await api.from('tasks').select('priority, count()').order('priority');
    expect(data).toEqual([
      { priority: 'high', count: 2 },
      { priority: 'low', count: 1 },
      { priority: 'normal', count: 1 },
    ]);
  });

  test('inserts, updates, upserts and deletes, with and without the rows', async () => {
    const inserted = await api
      .from('agents')
      .insert({ id: 'dan', name: 'Dan', model: 'x' })
      .select('id, status')
      .single();
    expect(inserted).toMatchObject({ status: 201, data: { id: 'dan', status: 'idle' } });
    const quiet = await api.from('agents').insert({ id: 'eve', name: 'Eve', model: 'x' });
    expect(quiet).toMatchObject({ status: 201, data: null, error: null });
    const upserted = await api
      .from('agents')
      .upsert([
        { id: 'dan', name: 'Daniel', model: 'y' },
        { id: 'fay', name: 'Fay', model: 'y' },
      ])
      .select('id, name')
      .order('id');
    expect(upserted).toMatchObject({
      error: null,
      data: [
        { id: 'dan', name: 'Daniel' },
        { id: 'fay', name: 'Fay' },
      ],
    });
    const ignored = await api
      .from('agents')
      .upsert({ id: 'dan', name: 'Nobody', model: 'z' }, { ignoreDuplicates: true })
      .select('name');
    expect(ignored.data).toEqual([]);
    const updated = await api
      .from('agents')
      .update({ status: 'paused' })
      .eq('id', 'eve')
      .select('id, status');
    expect(updated.data).toEqual([{ id: 'eve', status: 'paused' }]);
    const counted = await api.from('agents').delete({ count: 'exact' }).in('id', ['dan', 'eve', 'fay']);
    expect(counted).toMatchObject({ status: 204, count: 3 });
    expect(ids((await agents()).data)).toEqual(['ada', 'bob', 'cyd']);
  });

  test('upserts by the key that is unique within the tenant, and keeps to the tenant', async () => {
    const other = new PostgrestClient(`${app.url}/rest/v1`, {
      headers: { authorization: `Bearer ${await testToken('service', 'acme')}` },
    });
    await target.admin.query(
      `insert into app_public.tenants (id, name) values ('acme', 'Acme') on conflict do nothing`,
    );
    await other.from('agents').insert({ id: 'ada', name: 'Their Ada', model: 'theirs' });
    for (const onConflict of ['id', 'tenant_id,id', 'id,tenant_id']) {
      const { status, error } = await api
        .from('agents')
        .upsert({ id: 'ada', name: `Ada by ${onConflict}`, model: 'gpt-5' }, { onConflict });
      expect([status, error]).toEqual([200, null]);
      const { data } = await api.from('agents').select('id, name').eq('id', 'ada');
      expect(data).toEqual([{ id: 'ada', name: `Ada by ${onConflict}` }]);
    }
    const ignored = await api
      .from('agents')
      .upsert({ id: 'ada', name: 'Nobody', model: 'z' }, { onConflict: 'id', ignoreDuplicates: true });
    expect([ignored.status, ignored.error]).toEqual([201, null]);
    const put = await fetch(`${app.url}/rest/v1/agents?id=eq.ada`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${await testToken('service')}`, 'content-type': 'application/json' },
      body: JSON.stringify({ id: 'ada', name: 'Ada by PUT', model: 'gpt-5' }),
    });
    expect([put.status, await put.text()]).toEqual([204, '']);
    const { data } = await api.from('agents').select('name').eq('id', 'ada').single();
    expect(data).toEqual({ name: 'Ada by PUT' });
    const theirs = await other.from('agents').select('name').single();
    expect(theirs.data).toEqual({ name: 'Their Ada' });
    await target.admin.query(`delete from app_public.agents where tenant_id = 'acme'`);
  });

  test('an upsert by columns that are no key is told which would do', async () => {
    const { status, error } = await api
      .from('agents')
      .upsert({ id: 'ada', name: 'Ada', model: 'm' }, { onConflict: 'name' });
    expect(status).toBe(400);
    expect(error).toMatchObject({ code: '42P10', hint: 'Use on_conflict=id.' });
  });

  test('fills in defaults for keys that some rows lack', async () => {
    const { data, error } = await api
      .from('agents')
      .insert(
        [
          { id: 'gus', name: 'Gus', model: 'x', status: 'busy' },
          { id: 'hal', name: 'Hal', model: 'x' },
        ],
        {
          defaultToNull: false,
        },
      )
      .select('id, status')
      .order('id');
    expect(error).toBeNull();
    expect(data).toEqual([
      { id: 'gus', status: 'busy' },
      { id: 'hal', status: 'idle' },
    ]);
  });

  test('calls functions by POST, GET and HEAD, filters and embeds what they return', async () => {
    expect((await api.rpc('add_up', { a: 2, b: 3 })).data).toBe(5);
    expect((await api.rpc('add_up', { a: 2 }, { get: true })).data).toBe(3);
    const { data } = await api
      .rpc('tasks_of', { agent: 'ada' })
      .select('description, agents(name)')
      .eq('priority', 'low');
    expect(data).toEqual([{ description: 'write a report', agents: { name: 'Ada' } }]);
    expect((await api.rpc('tasks_of', { agent: 'ada' }, { head: true, count: 'exact' })).count).toBe(2);
  });

  test('reads one row with single and maybeSingle', async () => {
    expect((await api.from('agents').select('id').eq('id', 'ada').single()).data).toEqual({ id: 'ada' });
    const many = await api.from('agents').select('id').single();
    expect(many).toMatchObject({
      status: 406,
      error: {
        code: 'PGRST116',
        message: 'Cannot coerce the result to a single JSON object',
        details: 'The result contains 3 rows',
        hint: null,
      },
    });
    expect((await api.from('agents').select('id').eq('id', 'nobody').maybeSingle()).data).toBeNull();
    // The write was to change one row; it matched three, and changed none.
    const refused = await api.from('agents').update({ status: 'error' }).neq('id', '').select().single();
    expect(refused.error?.code).toBe('PGRST116');
    expect(ids((await agents().eq('status', 'error')).data)).toEqual([]);
  });

  test('reads csv, gets geojson refused without PostGIS, strips nulls, rolls back and limits affected rows', async () => {
    const csv = await api.from('agents').select('id,specialization').order('id').csv();
    expect(csv.data).toBe('id,specialization\nada,\nbob,\ncyd,"full stack"');
    const stripped = await api.from('agents').select('id,specialization').eq('id', 'ada').stripNulls();
    expect(stripped.data).toEqual([{ id: 'ada' }]);
    const strict: PostgrestClient<TypedDatabase> = new PostgrestClient(api.url, { headers: api.headers });
    const tooMany = await strict.from('agents').delete().neq('id', '').maxAffected(1);
    expect(tooMany.error).toMatchObject({ code: 'PGRST124' });
    expect(ids((await agents()).data)).toHaveLength(3);
  });

  test('explains a request where that is allowed', async () => {
    const { data, error } = await api.from('agents').select('id').explain({ format: 'text' });
    expect(error).toBeNull();
    expect(data).toContain('Aggregate');
  });

  test('gets an error for an aborted request', async () => {
    const { error } = await api.from('agents').select().abortSignal(AbortSignal.abort());
    expect(error?.message).toContain('AbortError');
  });

  test.each([
    ['an unknown table', () => api.from('nothing').select(), 404, 'PGRST205'],
    ['an unknown column', () => api.from('agents').select('nothing'), 400, '42703'],
    ['an unknown column to write', () => api.from('agents').insert({ nothing: 1 }), 400, 'PGRST204'],
    ['an unknown function', () => api.rpc('nothing', { a: 1 }), 404, 'PGRST202'],
    ['an unknown embed', () => api.from('agents').select('nothing(*)'), 400, 'PGRST200'],
    ['a value that does not cast', () => api.from('tasks').select().eq('id', 'x'), 400, '22P02'],
    ['a duplicate', () => api.from('agents').insert({ id: 'ada', name: 'A', model: 'x' }), 409, '23505'],
    [
      'a reference to nothing',
      () => api.from('tasks').insert({ agent_id: 'x', description: 'd' }),
      409,
      '23503',
    ],
    ['a rule of the table', () => api.from('agents').update({ status: 'x' }).eq('id', 'ada'), 400, '23514'],
    ['nobody', () => anonymous.from('agents').select(), 401, '42501'],
  ])('%s is an error object with code %#', async (_what, ask, status, code) => {
    const answer = await ask();
    expect(answer).toMatchObject({ status, data: null, error: { code } });
    expect(Object.keys(answer.error ?? {})).toEqual(expect.arrayContaining(['message', 'details', 'hint']));
  });

  test('shows a tenant only its own rows', async () => {
    const other = new PostgrestClient(`${app.url}/rest/v1`, {
      headers: { authorization: `Bearer ${await testToken('service', 'somebody-else')}` },
    });
    expect((await other.from('agents').select()).data).toEqual([]);
  });
});
