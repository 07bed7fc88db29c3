import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from 'pg';
import { message } from '../../src/embedded/wire.ts';
import { sleep, temporaryDatabase } from './temporary-database.ts';
import type { TemporaryDatabase } from './temporary-database.ts';
import { WireClient } from './wire-client.ts';

let db: TemporaryDatabase;
beforeAll(async () => {
  db = await temporaryDatabase();
});
afterAll(() => db.close());
afterEach(() => db.disconnect());

/** A client and its notifications, as `channel:payload`. */
async function listener(...channels: string[]): Promise<{ client: Client; heard: string[] }> {
  const client = await db.connect();
  const heard: string[] = [];
  client.on('notification', ({ channel, payload }) => heard.push(`${channel}:${payload ?? ''}`));
  for (const channel of channels) await client.query(`listen "${channel}"`);
  return { client, heard };
}

/** Enough time for a notification to arrive, or to be missed. */
const aMoment = () => sleep(50);

test('an idle listener at once hears what another client notifies, and no other client does', async () => {
  const [a, b] = [await listener('jobs'), await listener('other')];
  const sender = await db.connect();
  await sender.query("notify jobs, '1'");
  await sender.query("select pg_notify('jobs', $1)", ['zwölf']);
  await aMoment();
  expect(a.heard).toEqual(['jobs:1', 'jobs:zwölf']);
  expect(b.heard).toEqual([]);
});

test("a transaction's notifications are heard when it commits, and not when it rolls back", async () => {
  const a = await listener('jobs');
  const sender = await db.connect();
  await sender.query('begin');
  await sender.query("notify jobs, 'later'");
  await aMoment();
  expect(a.heard).toEqual([]);
  await sender.query('commit');
  await sender.query("begin; notify jobs, 'never'; rollback");
  await aMoment();
  expect(a.heard).toEqual(['jobs:later']);
});

test('one text may name several channels, quoted and folded as in Postgres', async () => {
  const { client, heard } = await listener();
  await client.query('LISTEN "jobs:insert"; Listen Jobs; listen "Zwölf";');
  const sender = await db.connect();
  await sender.query(`notify "jobs:insert", 'a'; notify jobs, 'b'; notify "Zwölf", 'c'; notify "Jobs", 'd'`);
  await aMoment();
  expect(heard).toEqual(['jobs:insert:a', 'jobs:b', 'Zwölf:c']);
});

test('a LISTEN that is rolled back, or fails, has no effect', async () => {
  const { client, heard } = await listener();
  await client.query('begin; listen jobs; rollback');
  await client.query('listen jobs; select 1/0').catch(() => undefined);
  await client.query('begin; savepoint s; listen jobs; rollback to s; commit');
  const sender = await db.connect();
  await sender.query('notify jobs');
  await aMoment();
  expect(heard).toEqual([]);
});

test('UNLISTEN of one channel leaves the others', async () => {
  const [a, b] = [await listener('jobs', 'more'), await listener('jobs', 'more')];
  await a.client.query('unlisten jobs');
  await b.client.query('unlisten *');
  await b.client.query('listen jobs');
  const sender = await db.connect();
  await sender.query("notify jobs, '1'; notify more, '2'");
  await aMoment();
  expect(a.heard).toEqual(['more:2']);
  expect(b.heard).toEqual(['jobs:1']);
});

test('a client hears itself before it is ready again, with its own process id', async () => {
  const wire = await WireClient.connect(db.directory);
  wire.write(message('Q', "listen self; notify self, 'me'"));
  const answers = await wire.until('Z');
  expect(answers.map((answer) => answer.type).join('')).toBe('CCAZ');
  expect(answers[2]?.body).toMatch(/self\0me\0$/);
  wire.end();
});

test('the engine stops listening when the last listener leaves', async () => {
  const [a, b] = [await listener('shared'), await listener('shared')];
  const observer = await db.connect();
  const listening = async () =>
    (await observer.query('select pg_listening_channels() as channel order by 1')).rows.map(
      (row) => row.channel,
    );
  await a.client.end();
  expect(await listening()).toContain('shared');
  await b.client.end();
  await observer.query('select 1');
  expect(await listening()).not.toContain('shared');
});

describe('while a client is in a transaction', () => {
  test('its own notifications wait for the commit and reach an idle listener', async () => {
    const a = await listener('jobs');
    const sender = await db.connect();
    await sender.query('begin');
    const blocked = a.client.query('select 1');
    await sender.query('notify jobs');
    await sender.query('commit');
    await blocked;
    await aMoment();
    expect(a.heard).toEqual(['jobs:']);
  });
});
