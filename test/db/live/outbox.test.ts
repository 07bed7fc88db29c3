import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { claimsOf } from '../../../src/auth/claims.ts';
import { LiveChanges } from '../../../src/live/live-changes.ts';
import type { Subscribed } from '../../../src/live/live-changes.ts';
import type { Change } from '../../../src/live/change.ts';
import { formatPosition, parsePosition } from '../../../src/live/position.ts';
import type { Position } from '../../../src/live/position.ts';
import { topics } from '../../../src/live/topic.ts';
import { countingDatabase } from '../../support/counting-database.ts';
import type { CountingDatabase } from '../../support/counting-database.ts';
import { installationIn } from '../../support/installation.ts';
import { noServer } from '../../support/server.ts';
import { other, own, twoTenants } from '../../support/two-tenants.ts';
import type { TwoTenants } from '../../support/two-tenants.ts';

const untilTrue = async (isTrue: () => boolean, what: string): Promise<void> => {
  const deadline = Date.now() + 10_000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

describe.skipIf(noServer)('the outbox on a server', () => {
  let world: TwoTenants;
  let api: CountingDatabase;
  const lives: LiveChanges[] = [];
  const writers: Client[] = [];

  beforeAll(async () => {
    world = await twoTenants();
    api = countingDatabase(world.actor('service').database);
  });
  afterEach(async () => {
    await Promise.all(lives.splice(0).map((live) => live.close()));
    await Promise.all(writers.splice(0).map((writer) => writer.end()));
  });
  afterAll(() => world?.close());

  const makeLive = (): LiveChanges => {
    const live = new LiveChanges(installationIn(api.database), (error) => {
      throw error;
    });
    lives.push(live);
    return live;
  };
  const writer = async (): Promise<Client> => {
    const client = new Client({ connectionString: world.database.adminUrl });
    await client.connect();
    writers.push(client);
    return client;
  };
  const insert = (client: Client, description: string, tenant = own) =>
    client.query('insert into app_public.tasks (tenant_id, description) values ($1, $2)', [
      tenant,
      description,
    ]);
  const descriptionOf = (change: Change): string =>
    change.kind === 'row' ? (JSON.parse(change.row ?? '{}') as { description: string }).description : 'reset';

  interface Listener extends Subscribed {
    readonly got: string[];
    readonly changes: Change[];
  }
  const listen = async (
    live: LiveChanges,
    {
      since = null,
      tenant = own,
      subject = 'somebody',
    }: { since?: Position | null; tenant?: string; subject?: string } = {},
  ): Promise<Listener> => {
    const changes: Change[] = [];
    const got: string[] = [];
    const subscribed = await live.subscribe(claimsOf('member', tenant, subject), {
      topics: new Set(topics),
      key: null,
      since,
      onChanges: (some) => {
        changes.push(...some);
        got.push(...some.map(descriptionOf));
      },
      onFailure: (error) => {
        throw error;
      },
    });
    return Object.assign(subscribed, { got, changes });
  };

  test('transactions that commit in another order than they began are heard as soon as each commits', async () => {
    const live = makeLive();
    const listener = await listen(live);
    const [early, middle, late] = [await writer(), await writer(), await writer()];
    await early.query('begin');
    await insert(early, 'early');
    await middle.query('begin');
    await insert(middle, 'middle');
    await insert(late, 'late');
    // Two transactions with lower numbers and lower ids are open, and nobody waits for them.
    await untilTrue(() => listener.got.length === 1, 'the late one');
    const behindLate = listener.changes[0]!.position;
    await middle.query('commit');
    await untilTrue(() => listener.got.length === 2, 'the middle one');
    const behindMiddle = listener.changes[1]!.position;
    await insert(early, 'early, too');
    await early.query('commit');
    await untilTrue(() => listener.got.length === 4, 'the early one');
    expect(listener.got).toEqual(['late', 'middle', 'early', 'early, too']);
    // By ids alone `late` would be behind all of them. Events that were missed together are ordered by transaction.
    const resumed = await Promise.all(
      [behindLate, behindMiddle, listener.changes[2]!.position].map((since) =>
        listen(makeLive(), { since: parsePosition(formatPosition(since)) }),
      ),
    );
    expect(resumed.map((one) => one.got)).toEqual([
      ['early', 'early, too', 'middle'],
      ['early', 'early, too'],
      ['early, too'],
    ]);
  });

  test('the last event of a row that transactions delete and insert again shows its present state', async () => {
    const [first, second] = [await writer(), await writer()];
    const add = (client: Client) =>
      client.query(
        `insert into app_public.agents (tenant_id, id, name, model) values ($1, 'phoenix', 'P', 'm')`,
        [own],
      );
    const remove = (client: Client) =>
      client.query(`delete from app_public.agents where tenant_id = $1 and id = 'phoenix'`, [own]);
    await add(first);
    const { position: since } = await listen(makeLive());
    // The transaction with the lower number inserts again what the other one deleted.
    await first.query('begin');
    await insert(first, 'takes a number');
    await remove(second);
    await add(first);
    await first.query('commit');
    const missed = await listen(makeLive(), { since });
    const ofPhoenix = ({ changes }: Listener) =>
      changes.flatMap((change) =>
        change.kind === 'row' && change.key === 'phoenix' ? [change.operation] : [],
      );
    expect(ofPhoenix(missed).at(-1)).toBe('insert');
    await remove(second);
    await untilTrue(() => ofPhoenix(missed).at(-1) === 'delete', 'the deletion');
    expect(ofPhoenix(await listen(makeLive(), { since }))).toEqual(['delete', 'delete']);
  });

  test('a transaction that holds the wake-up for long delays others only briefly, and holds back nothing', async () => {
    const listener = await listen(makeLive());
    const [slow, quick] = [await writer(), await writer()];
    await slow.query('begin');
    await insert(slow, 'slow');
    const { rows } = await quick.query(
      `select count(*)::int as count from pg_locks l join pg_database d on d.oid = l.database
        where d.datname = current_database() and l.locktype = 'advisory'`,
    );
    expect(rows).toEqual([{ count: 1 }]);
    await insert(quick, 'quick');
    await untilTrue(() => listener.got.includes('quick'), 'the row without a notification');
    expect(listener.got).toEqual(['quick']);
    await slow.query('rollback');
    await insert(quick, 'after');
    await untilTrue(() => listener.got.includes('after'), 'the last row');
    expect(listener.got).toEqual(['quick', 'after']);
  });

  test('with many writers at once, a listener and a resumed one hear everything exactly once', async () => {
    const live = makeLive();
    const start = await listen(live);
    const since = start.position;
    const clients = await Promise.all(Array.from({ length: 8 }, writer));
    const expected: string[] = [];
    await Promise.all(
      clients.map(async (client, number) => {
        for (let i = 0; i < 25; i += 1) {
          const names = Array.from({ length: 1 + ((i + number) % 3) }, (_, n) => `${number}.${i}.${n}`);
          await client.query('begin');
          for (const name of names) await insert(client, name);
          if (i % 7 === 6) await client.query('rollback');
          else {
            await client.query('commit');
            expected.push(...names);
          }
        }
      }),
    );
    await untilTrue(() => start.got.length >= expected.length, 'all of them');
    expect(start.got.toSorted()).toEqual(expected.toSorted());
    // A reader in another process also continues where this one was.
    for (const at of [0, 1, 50, 133, expected.length - 1]) {
      const position = at === 0 ? since : start.changes[at - 1]!.position;
      const resumed = await listen(makeLive(), { since: parsePosition(formatPosition(position)) });
      expect([...start.got.slice(0, at), ...resumed.got].toSorted()).toEqual(expected.toSorted());
    }
  });

  test('rows are read again once per role and tenant, however many listen', async () => {
    const live = makeLive();
    const listeners = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        listen(live, { subject: `subject ${i}`, tenant: i % 2 === 0 ? own : other }),
      ),
    );
    const client = await writer();
    const before = api.count('row_to_json');
    await client.query('begin');
    for (let i = 0; i < 5; i += 1) await insert(client, `one of five ${i}`);
    await client.query('commit');
    const ours = listeners.filter((_, i) => i % 2 === 0);
    await untilTrue(() => ours.every((listener) => listener.got.length === 5), 'everybody');
    expect(api.count('row_to_json') - before).toBe(1);
    expect(listeners.filter((_, i) => i % 2 === 1).flatMap((listener) => listener.got)).toEqual([]);
  });

  test('an error of one subscriber does not stop another', async () => {
    const live = makeLive();
    await live.subscribe(claimsOf('member', own, 'broken'), {
      topics: new Set(topics),
      key: null,
      since: null,
      onChanges: () => {
        throw new Error('broken on purpose');
      },
      onFailure: () => {},
    });
    const listener = await listen(live);
    const client = await writer();
    await insert(client, 'first');
    await insert(client, 'second');
    await untilTrue(() => listener.got.length === 2, 'both');
    expect(listener.got).toEqual(['first', 'second']);
  });

  describe('the notification to a login that listens', () => {
    test('says that something happened, but not whose, what or how much', async () => {
      const analyst = new Client({ connectionString: world.loginUrl('analyst') });
      await analyst.connect();
      const heard: { channel: string; payload: string | undefined }[] = [];
      analyst.on('notification', ({ channel, payload }) => heard.push({ channel, payload }));
      for (const channel of [
        'lightning:tasks',
        'lightning:agents',
        'lightning:workflows',
        'lightning:tenants',
      ])
        await analyst.query(`listen "${channel}"`);
      const client = await writer();
      await insert(client, 'secret', other);
      await client.query(
        `insert into app_public.tasks (tenant_id, description) select $1, 'secret' from generate_series(1, 50)`,
        [other],
      );
      await client.query(`update app_public.agents set name = 'secret' where tenant_id = $1`, [other]);
      await untilTrue(() => heard.some(({ channel }) => channel === 'lightning:agents'), 'a wake-up');
      expect(heard.length).toBeGreaterThan(1);
      expect(new Set(heard.map(({ payload }) => payload))).toEqual(new Set(['']));
      await analyst.end();
    });

    test.each([
      'select * from app_private.events',
      'select * from app_private.event_marks',
      `select * from ops.read_events('1:1:', null, null, '{rival}', 10)`,
      'select ops.trim_events()',
      `insert into app_private.events (tenant_id, topic, operation) values ('rival', 'tasks', 'insert')`,
    ])('refuses: %s', async (text) => {
      for (const name of ['analyst', 'api', 'operator'] as const) {
        await expect(world.actor(name).database.query({ text })).rejects.toMatchObject({ code: '42501' });
      }
      for (const role of ['member', 'service', 'admin'] as const) {
        const { database, settings } = world.actor(role);
        await expect(database.queryWith(settings, { text })).rejects.toMatchObject({ code: '42501' });
      }
    });
  });
});
