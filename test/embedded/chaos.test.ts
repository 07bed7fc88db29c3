import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client, DatabaseError } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { message } from '../../src/embedded/wire.ts';
import { emptyTemplate, sleep, temporaryDatabase } from './temporary-database.ts';
import type { TemporaryDatabase } from './temporary-database.ts';
import { WireClient } from './wire-client.ts';

// Many clients do together what each of the other files tests alone, and each client knows what its session has to look
// like.

let db: TemporaryDatabase;
beforeAll(async () => {
  db = await temporaryDatabase({ storage: 'disk', template: await emptyTemplate() });
  const admin = await db.connect();
  await admin.query(`
    create role alice; create role bob;
    create table public.ledger (client int, id int, primary key (client, id));
    grant select, insert on public.ledger to alice, bob`);
  await db.disconnect();
}, 60_000);
afterAll(() => db.close());

/** Repeatable randomness (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** The life of one client: it reconnects when it is cut off, and remembers which writes were acknowledged. */
class Actor {
  readonly #number: number;
  readonly #random: (below: number) => number;
  readonly acknowledged = new Set<number>();
  readonly heard: string[] = [];
  readonly cutOff: string[] = [];
  /** States of its session that differ from the expected ones. */
  readonly mixedUp: unknown[] = [];
  checks = 0;
  #client: Client | undefined;
  #role = 'postgres';
  #setting = '';
  #nextId = 0;

  constructor(number: number) {
    this.#number = number;
    this.#random = random(number + 1);
  }

  async live(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      try {
        const client = (this.#client ??= await this.#connect());
        await this.#act(client);
        await this.#check(client);
      } catch (error) {
        if (!(error instanceof DatabaseError) && !/terminated|ended|closed/i.test(String(error))) throw error;
        this.cutOff.push(error instanceof DatabaseError ? (error.code ?? '') : String(error));
        await this.#client?.end().catch(() => undefined);
        this.#client = undefined;
      }
    }
    await this.#client?.end();
  }

  async #connect(): Promise<Client> {
    const client = new Client({
      connectionString: db.embedded.connectionString,
      application_name: `actor ${this.#number % 3}`,
    });
    client.on('error', () => undefined);
    client.on('notification', ({ payload }) => this.heard.push(payload ?? ''));
    await client.connect();
    this.#role = 'postgres';
    this.#setting = '';
    return client;
  }

  async #act(client: Client): Promise<void> {
    switch (this.#random(12)) {
      case 0:
        this.#role = ['alice', 'bob'][this.#random(2)] ?? '';
        await client.query(`set role ${this.#role}`);
        return;
      case 1:
        await client.query('reset role');
        this.#role = 'postgres';
        return;
      case 2:
        this.#setting = `${this.#number}-${this.#random(1000)}`;
        await client.query(`set app.x = '${this.#setting}'`);
        return;
      case 3:
        await client.query('begin');
        await client.query("set role alice; set app.x = 'rolled back'");
        if (this.#random(2) === 0) await client.query('select 1/0').catch(() => undefined);
        await client.query('rollback');
        return;
      case 4: {
        const id = this.#nextId++;
        await client.query('begin');
        await client.query('insert into public.ledger values ($1, $2)', [this.#number, id]);
        await client.query('commit');
        this.acknowledged.add(id);
        return;
      }
      case 5: {
        const id = this.#nextId++;
        await pipeline(
          Readable.from([`${this.#number}\t${id}\n`]),
          client.query(copyFrom('copy public.ledger from stdin')),
        );
        this.acknowledged.add(id);
        return;
      }
      case 6:
        await client.query({ name: 'mine', text: 'select $1::int + 1 as n', values: [1] });
        await client.query({ name: `own ${this.#number}`, text: `select ${this.#number} as n` });
        return;
      case 7:
        await client.query(this.#random(2) === 0 ? 'listen chaos' : 'unlisten *');
        return;
      case 8:
        await client.query("notify chaos, 'x'");
        return;
      case 9:
        // The client leaves in the middle of something.
        await client.query('begin; set role bob');
        client.connection.stream.destroy();
        this.#client = undefined;
        return;
      default: {
        const id = this.#nextId++;
        await client.query({
          name: 'insert',
          text: 'insert into public.ledger values ($1, $2)',
          values: [this.#number, id],
        });
        this.acknowledged.add(id);
      }
    }
  }

  async #check(client: Client): Promise<void> {
    if (!this.#client) return;
    const { rows } = await client.query({
      name: 'check',
      text: `select current_user::text as role, current_setting('application_name') as application,
               coalesce(current_setting('app.x', true), '') as setting, ${this.#number} as number`,
    });
    const expected = {
      role: this.#role,
      application: `actor ${this.#number % 3}`,
      setting: this.#setting,
      number: this.#number,
    };
    if (JSON.stringify(rows) !== JSON.stringify([expected])) this.mixedUp.push({ expected, rows });
    this.checks++;
  }
}

test(
  'sessions stay apart while clients come, go and fail, and the engine is killed',
  { timeout: 90_000 },
  async () => {
    const until = Date.now() + 8000;
    const actors = Array.from({ length: 16 }, (_, number) => new Actor(number));
    const checks = () => actors.reduce((sum, actor) => sum + actor.checks, 0);
    // A busy machine takes longer to reach the number of checks, which stays the same.
    const goesOn = () => Date.now() < until || checks() <= 500;
    const killer = async () => {
      for (let round = 0; round < 3; round++) {
        await sleep(1500);
        const victim = await WireClient.connect(db.directory, { statement_timeout: '100' });
        victim.write(message('Q', 'select count(*) from generate_series(1, 2000000000)'));
        await victim.until('Z');
        victim.end();
      }
    };
    await Promise.all([killer(), ...actors.map((actor) => actor.live(goesOn))]);
    expect(actors.flatMap((actor) => actor.mixedUp)).toEqual([]);
    expect(checks()).toBeGreaterThan(500);
    const admin = await db.connect();
    const { rows } = await admin.query('select client, id from public.ledger');
    const stored = new Set(rows.map((row) => `${row.client}/${row.id}`));
    const missing = actors.flatMap((actor, number) =>
      [...actor.acknowledged].map((id) => `${number}/${id}`).filter((key) => !stored.has(key)),
    );
    expect(missing).toEqual([]);
    // The run really was chaotic.
    expect(db.events.filter((event) => event.kind === 'engine-restarted').length).toBeGreaterThan(0);
    expect(actors.reduce((sum, actor) => sum + actor.acknowledged.size, 0)).toBeGreaterThan(100);
    expect(actors.some((actor) => actor.heard.length > 0)).toBe(true);
    // A client was cut off only when its transaction or statement was lost with the engine.
    const cutOff = actors.flatMap((actor) => actor.cutOff);
    expect(cutOff.filter((code) => code !== '57P01' && code !== '57014')).toEqual([]);
    const { rows: left } = await admin.query('select count(*)::int as n from pg_prepared_statements');
    expect(left).toEqual([{ n: 0 }]);
    await db.disconnect();
  },
);
