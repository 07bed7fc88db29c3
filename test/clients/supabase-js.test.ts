import { createClient } from '@supabase/supabase-js';
import type { SupabaseClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const [kind, open] = apiTargets.at(-1)!;

// The client is made as at the beginning of its documentation: with the project's address and a key alone.
describe(`supabase-js with defaults, on the ${kind} database`, () => {
  let target: ApiTarget;
  let app: RunningApp;
  let supabase: SupabaseClient;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    supabase = createClient(app.url, await testToken());
  });
  afterAll(async () => {
    await supabase?.removeAllChannels();
    await app?.close();
    await target?.close();
  });

  test('inserts, selects, updates, upserts and deletes', async () => {
    const inserted = await supabase
      .from('agents')
      .insert([
        { id: 'ada', name: 'Ada', model: 'gpt-4o' },
        { id: 'bob', name: 'Bob', model: 'gpt-4o' },
      ])
      .select();
    expect([inserted.error, inserted.data?.map(({ id }) => id)]).toEqual([null, ['ada', 'bob']]);

    const selected = await supabase.from('agents').select('id, tasks(description)').eq('id', 'ada').single();
    expect([selected.error, selected.data]).toEqual([null, { id: 'ada', tasks: [] }]);

    const updated = await supabase.from('agents').update({ name: 'Ada L.' }).eq('id', 'ada').select('name');
    expect([updated.error, updated.data]).toEqual([null, [{ name: 'Ada L.' }]]);

    const upserted = await supabase
      .from('agents')
      .upsert({ id: 'cyd', name: 'Cyd', model: 'claude' })
      .select('name');
    expect([upserted.error, upserted.data]).toEqual([null, [{ name: 'Cyd' }]]);

    const deleted = await supabase.from('agents').delete().eq('id', 'cyd');
    expect([deleted.error, deleted.status]).toEqual([null, 204]);

    const counted = await supabase.from('agents').select('*', { count: 'exact', head: true });
    expect([counted.error, counted.count]).toEqual([null, 2]);
  });

  test('calls functions, by POST and by GET', async () => {
    const enqueued = await supabase.rpc('enqueue_task', { agent_id: 'ada', description: 'read' });
    expect(enqueued.error).toBeNull();
    const series = await supabase.rpc('metric_latest', { service: 'nobody', metric: 'm' }, { get: true });
    expect(series.error).toBeNull();
  });

  test('receives the list of schemas when it asks for another one', async () => {
    const { error, status } = await supabase.schema('audit').from('log').select();
    expect([status, error]).toMatchObject([
      406,
      { code: 'PGRST106', hint: 'Only the following schemas are exposed: app_public, public' },
    ]);
    expect((await supabase.schema('app_public').from('agents').select('id')).error).toBeNull();
  });

  test('runs as the owner of its token, and as its key without a token', async () => {
    const rival = await testToken('service', 'rival');
    const asPerson = createClient(app.url, 'a key that says nothing', { accessToken: () => testToken() });
    expect((await asPerson.from('agents').select('id')).data).toHaveLength(2);
    const asRival = createClient(app.url, await testToken(), { accessToken: async () => rival });
    expect((await asRival.from('agents').select('id')).data).toEqual([]);
    const forged = await createClient(app.url, `${rival}x`).from('agents').select();
    expect([forged.status, forged.error?.code]).toEqual([401, 'PGRST301']);
  });

  test('a key alone, in the header apikey, counts as a token at every door', async () => {
    const headers = { apikey: await testToken(), 'content-type': 'application/json' };
    expect((await fetch(`${app.url}/rest/v1/agents`, { headers })).status).toBe(200);
    const body = '{"query": "{ agents { totalCount } }"}';
    const graphql = await fetch(`${app.url}/graphql`, { method: 'POST', headers, body });
    expect(await graphql.json()).toEqual({ data: { agents: { totalCount: 2 } } });
    const events = await fetch(`${app.url}/events`, { headers });
    expect(events.status).toBe(200);
    await events.body?.cancel();
    const nonsense = await fetch(`${app.url}/rest/v1/agents`, { headers: { apikey: 'nonsense' } });
    expect(nonsense.status).toBe(401);
  });

  test('its other services fail with a hint to the replacement', async () => {
    const session = await supabase.auth.getSession();
    expect([session.error, session.data.session]).toEqual([null, null]);
    const signedIn = await supabase.auth.signInWithPassword({ email: 'a@b.example', password: 'x' });
    expect(signedIn.error).toMatchObject({
      status: 404,
      message: expect.stringMatching(/^this server has no sign-in: .*lightning token/) as string,
    });
    const uploaded = await supabase.storage.from('files').upload('a.txt', 'text');
    expect(uploaded.error?.message).toMatch(/^this server stores no files: .*knowledge/);
    const invoked = await supabase.functions.invoke('hello', { body: {} });
    const response = (invoked.error as { context: Response }).context;
    expect([response.status, await response.json()]).toMatchObject([
      404,
      { code: 'LTR404', message: expect.stringContaining('/rest/v1/rpc/<name>') as string },
    ]);
  });

  test.each(['1.0.0', '2.0.0'])('a channel of realtime %s fails with the reason', async (vsn) => {
    const client = createClient(app.url, await testToken(), { realtime: { params: { vsn }, vsn } });
    const [status, error] = await new Promise<[string, Error | undefined]>((resolve) => {
      client
        .channel('room')
        .on('postgres_changes', { event: '*', schema: 'public', table: 'tasks' }, () => {})
        .subscribe((...said) => resolve(said as [string, Error | undefined]));
    });
    await client.removeAllChannels();
    expect([status, error?.message]).toEqual(['CHANNEL_ERROR', expect.stringContaining('GET /events')]);
  });
});
