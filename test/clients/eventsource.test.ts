import { EventSource } from 'eventsource';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const [kind, open] = apiTargets.at(-1)!;

describe(`eventsource with defaults, on the ${kind} database`, () => {
  let target: ApiTarget;
  let app: RunningApp;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  /** A source with the package's own `fetch` option, which its page shows for sending headers. */
  const sourceOf = (token: string, lastEventId?: string): EventSource =>
    new EventSource(`${app.url}/events?topics=agents`, {
      fetch: (input, init) =>
        fetch(input, {
          ...init,
          headers: {
            ...init.headers,
            authorization: `Bearer ${token}`,
            ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
          },
        }),
    });

  /** The first message of a kind. Rejects with the error that the package reports. */
  const first = (source: EventSource, event: string): Promise<MessageEvent> =>
    new Promise((resolve, reject) => {
      source.addEventListener(event, resolve, { once: true });
      source.addEventListener('error', ({ code, message }) => reject(new Error(`${code} ${message}`)), {
        once: true,
      });
    });

  const createAgent = (id: string) =>
    target.admin.query(
      `insert into app_public.agents (tenant_id, id, name, model) values ('default', $1, 'n', 'm')`,
      [id],
    );

  test('receives committed changes, and those it missed when it returns with the last id', async () => {
    const token = await testToken();
    const source = sourceOf(token);
    let lastEventId: string;
    try {
      await first(source, 'ready');
      const heard = first(source, 'agents');
      await createAgent('ada');
      const { data, lastEventId: id } = await heard;
      expect(JSON.parse(String(data))).toMatchObject({ operation: 'insert', id: 'ada' });
      lastEventId = id;
    } finally {
      source.close();
    }
    await createAgent('bob');
    const again = sourceOf(token, lastEventId);
    try {
      const { data } = await first(again, 'agents');
      expect(JSON.parse(String(data))).toMatchObject({ operation: 'insert', id: 'bob' });
    } finally {
      again.close();
    }
  });

  test('receives the status when its token is not accepted, and gives up', async () => {
    const source = sourceOf('nonsense');
    try {
      await expect(first(source, 'ready')).rejects.toThrow(/^401 /);
      expect(source.readyState).toBe(source.CLOSED);
    } finally {
      source.close();
    }
  });
});
