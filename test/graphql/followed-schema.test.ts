import { createClient } from 'graphql-ws';
import type { ExecutionResult } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { FollowedSchema } from '../../src/graphql/followed-schema.ts';
import type { Build } from '../../src/graphql/followed-schema.ts';
import type { SchemaSnapshot } from '../../src/graphql/schema-snapshot.ts';
import type { LogEntry } from '../../src/log.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { testRolePrefix } from '../support/logins.ts';

const service = `${testRolePrefix}_service`;

/** The API of a database while its schema changes. */
function openedApi(open: () => Promise<ApiTarget>) {
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    token = await testToken();
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const ask = async (query: string) => {
    const { data, errors } = await app.graphql(token, query);
    return errors ? errors.map(({ message }) => message).join() : data;
  };
  return {
    app: () => app,
    token: () => token,
    ask,
    becomes: (query: string, answer: unknown) =>
      vi.waitFor(async () => expect(await ask(query)).toEqual(answer), { timeout: 60_000, interval: 200 }),
    change: (statements: string) => target.admin.query(statements),
  };
}

describe.each(apiTargets)('GraphQL while the schema changes, on the %s database', (_kind, open) => {
  const { app, ask, becomes, change } = openedApi(open);

  test('serves what was made, changed and dropped, as REST does, and no request fails meanwhile', async () => {
    const stop = new AbortController();
    const failed: unknown[] = [];
    const load = (async () => {
      while (!stop.signal.aborted) {
        const answer = await ask('{ tasks { nodes { id status } } }').catch(String);
        if (typeof answer === 'string') failed.push(answer);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    expect(await ask('{ bxNotes { nodes { id } } }')).toMatch(/Cannot query field "bxNotes"/);

    await change(`create type app_public.bx_mood as enum ('calm');
      create table app_public.bx_notes (id int primary key, body text, mood app_public.bx_mood);
      insert into app_public.bx_notes values (1, 'one', 'calm')`);
    // A change of its own: rights come after the table.
    await change(`grant select on app_public.bx_notes to ${service}`);
    await becomes('{ bxNotes { nodes { id body mood } } }', {
      bxNotes: { nodes: [{ id: 1, body: 'one', mood: 'calm' }] },
    });

    await change("alter type app_public.bx_mood add value 'wild'");
    await change(`alter table app_public.bx_notes add column more int default 7; alter table app_public.bx_notes drop column body;
      alter table app_public.bx_notes alter column id type text using id::text;
      comment on table app_public.bx_notes is 'Notes to look at.';
      update app_public.bx_notes set mood = 'wild'`);
    await becomes('{ bxNotes { nodes { id more mood } } bx: __type(name: "BxNote") { description } }', {
      bxNotes: { nodes: [{ id: '1', more: 7, mood: 'wild' }] },
      bx: { description: 'Notes to look at.' },
    });
    await becomes('{ bxNotes { nodes { body } } }', expect.stringMatching(/Cannot query field "body"/));

    await change(
      `create function app_public.bx_twice(n int) returns int language sql stable as 'select 2 * n'`,
    );
    await becomes('{ bxTwice(n: 4) }', { bxTwice: 8 });
    await change(
      'drop function app_public.bx_twice; drop table app_public.bx_notes; drop type app_public.bx_mood',
    );
    await becomes('{ bxNotes { nodes { id } } }', expect.stringMatching(/Cannot query field "bxNotes"/));
    await becomes('{ bxTwice(n: 4) }', expect.stringMatching(/Cannot query field "bxTwice"/));

    stop.abort();
    await load;
    expect(failed).toEqual([]);
  }, 300_000);

  test('keeps the former one while it cannot be built, says why, and follows once it can', async () => {
    await change('alter table app_public.agents rename to bx_agents');
    await expect
      .poll(() => app().logged.find(({ event }) => event === 'graphql-schema-failed')?.message, {
        timeout: 60_000,
      })
      .toMatch(
        /could not be built anew: .*app_public.agents.*; next try in 1 s, requests are served with the one before/,
      );
    expect(await ask('{ tasks { nodes { id } } }')).toEqual({ tasks: { nodes: [] } });
    await change('alter table app_public.bx_agents rename to agents');
    await change(
      `create table app_public.bx_later (id int primary key); grant select on app_public.bx_later to ${service}`,
    );
    await becomes('{ bxLaters { nodes { id } } agents { nodes { id } } }', {
      bxLaters: { nodes: [] },
      agents: { nodes: [] },
    });
  }, 300_000);
});

// Which schemas are held does not depend on the database, and each of seven takes a second to build.
describe.each(apiTargets.slice(-1))(
  'GraphQL after many changes of the schema, on the %s database',
  (_kind, open) => {
    const { app, token, becomes, change } = openedApi(open);

    test('goes on with the subscriptions of a former one, and gives them up in order when there are many', async () => {
      const client = createClient({
        url: `${app().url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        connectionParams: { authorization: `Bearer ${token()}` },
      });
      const subscribe = () => {
        const results = client.iterate({ query: 'subscription { agentChanged { agentId agent { name } } }' });
        const seen: ExecutionResult[] = [];
        const ended = (async () => {
          for await (const result of results) seen.push(result as ExecutionResult);
        })();
        return { seen, ended };
      };
      const builds = () => app().logged.filter(({ event }) => event === 'graphql-schema-built').length;
      const changed = async (number: number) => {
        const before = builds();
        await change(`create table app_public.bx_more${number} (id int primary key);
        grant select on app_public.bx_more${number} to ${service}`);
        await becomes(`{ bxMore${number}s { nodes { id } } }`, { [`bxMore${number}s`]: { nodes: [] } });
        return builds() - before;
      };
      let made = 0;
      const agentOf = async (): Promise<string> => {
        const id = `follow-${made++}`;
        await change(
          `insert into app_public.agents (tenant_id, id, name, model) values ('default', '${id}', '${id}', 'm')`,
        );
        return id;
      };
      const hears = (subscription: { seen: ExecutionResult[] }) =>
        vi.waitFor(
          async () => {
            const id = await agentOf();
            await new Promise((resolve) => setTimeout(resolve, 200));
            expect(JSON.stringify(subscription.seen)).toContain(`"name":"${id}"`);
          },
          { timeout: 60_000, interval: 50 },
        );

      const first = subscribe();
      await hears(first);
      await changed(0);
      await hears(first);
      // One beside each of four former schemas, and the first one beyond.
      for (let number = 1; number <= 5; number++) {
        await hears(subscribe());
        await changed(number);
      }
      await first.ended;
      expect(first.seen.at(-1)?.errors).toEqual([
        expect.objectContaining({ extensions: expect.objectContaining({ code: 'SCHEMA_CHANGED' }) }),
      ]);
      await hears(subscribe());
      await client.dispose();
    }, 300_000);
  },
);

describe('a followed schema', () => {
  const snapshot = (name: string) => ({ name }) as unknown as SchemaSnapshot;
  const pace = { betweenBuilds: 5, firstRetry: 20, lastRetry: 40 };
  const follow = async (build: Build) => {
    const log: LogEntry[] = [];
    return { log, followed: await FollowedSchema.open(build, (entry) => log.push(entry), pace) };
  };
  const nameOf = (followed: FollowedSchema) => (followed.current as unknown as { name: string }).name;

  test('rejects when the first cannot be built', async () => {
    await expect(follow(() => Promise.reject(new Error('no database')))).rejects.toThrow('no database');
  });

  test('answers any number of calls with one build, and those during a build with another', async () => {
    let builds = 0;
    let finish: () => void = () => {};
    const { followed } = await follow(async () => {
      if (builds++ > 0) await new Promise<void>((resolve) => (finish = resolve));
      return snapshot(`build ${builds}`);
    });
    for (let i = 0; i < 50; i++) followed.reload();
    await expect.poll(() => builds).toBe(2);
    expect(nameOf(followed)).toBe('build 1');
    for (let i = 0; i < 50; i++) followed.reload();
    finish();
    await expect.poll(() => builds).toBe(3);
    finish();
    await expect.poll(() => nameOf(followed)).toBe('build 3');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(builds).toBe(3);
    await followed.close();
    followed.reload();
    expect(builds).toBe(3);
  });

  test('keeps the former one through failures, tries again with longer pauses, and ends a pause at close', async () => {
    let builds = 0;
    const { followed, log } = await follow(() =>
      ++builds === 1 || builds === 5
        ? Promise.resolve(snapshot(`build ${builds}`))
        : Promise.reject(new Error('broken')),
    );
    followed.reload();
    await expect.poll(() => nameOf(followed)).toBe('build 5');
    expect(
      log.map(({ event, message }) =>
        event === 'graphql-schema-failed' ? /next try in (\S+) s/.exec(message)?.[1] : event,
      ),
    ).toEqual(['0.02', '0.04', '0.04', 'graphql-schema-built']);
    followed.reload();
    await expect.poll(() => builds).toBeGreaterThan(5);
    await followed.close();
    const after = builds;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(builds).toBe(after);
  });

  test('stays as it is where the catalog did', async () => {
    let builds = 0;
    const { followed, log } = await follow(() => Promise.resolve(builds++ === 0 ? snapshot('first') : null));
    followed.reload();
    await expect.poll(() => builds).toBe(2);
    expect([nameOf(followed), log]).toEqual(['first', []]);
    await followed.close();
  });
});
