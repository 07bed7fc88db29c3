import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sql } from '../../../src/db/statement.ts';
import type { Database } from '../../../src/db/database.ts';
import { judgeStorm } from './judge-storm.ts';
import type { StormFacts } from './judge-storm.ts';
import { answered, callsOf, readJournal } from './storm-calls.ts';
import type { StormWriterOptions } from './storm-writer.ts';

/** The size of a storm. */
export interface StormSize {
  readonly writers: number;
  /** Messages of each writer. */
  readonly messages: number;
  /** How often each writer is killed, and its connections are cut. */
  readonly kills: number;
  readonly cuts: number;
}

/** What a storm came to. */
export interface StormReport {
  readonly messages: number;
  readonly seconds: number;
  readonly kills: number;
  /** Kills in the middle of a call, and those whose call had been carried out, or was, all the same. */
  readonly inCall: number;
  readonly unheard: number;
  /** Calls that ended with their connection. */
  readonly lost: number;
  readonly refused: number;
  readonly problems: readonly string[];
}

type Place = Omit<StormWriterOptions, 'name' | 'messages' | 'thread'>;

/** Lets writers loose on a new thread of the tenant, each in a process, and strikes each of them as often as the size says. */
export async function letLoose(admin: Database, place: Place, size: StormSize): Promise<StormReport> {
  const { rows } = await admin.query<{ id: string }>(
    sql`insert into app_public.threads (tenant_id) values (${place.tenant}) returning id`,
  );
  const thread = rows[0]!.id;
  const names = Array.from({ length: size.writers }, (_, i) => `w${i + 1}`);
  const began = performance.now();
  const struck = await Promise.all(
    names.map((name) => runWriter(admin, { ...place, thread, name, messages: size.messages }, size)),
  );
  const [facts, journal] = [await readFacts(admin, thread), await readJournal(place.journal)];
  const count = (event: string) => journal.filter((entry) => entry.event === event).length;
  const sum = (of: 'kills' | 'inCall' | 'unheard') => struck.reduce((total, each) => total + each[of], 0);
  return {
    messages: facts.messages.length,
    seconds: (performance.now() - began) / 1000,
    kills: sum('kills'),
    inCall: sum('inCall'),
    unheard: sum('unheard'),
    lost: count('lost'),
    refused: count('refused'),
    problems: judgeStorm(names, size.messages, facts, journal),
  };
}

/** Runs a writer until it has said everything. Strikes are spread evenly over its calls, kills and cuts in turns. */
async function runWriter(admin: Database, options: StormWriterOptions, { kills, cuts }: StormSize) {
  const result = { kills: 0, inCall: 0, unheard: 0 };
  const calls = callsOf(options.name, options.messages);
  const strikes = Array.from({ length: kills + cuts }, (_, i) => ({
    at: Math.ceil(((i + 1) * calls.length) / (kills + cuts + 1)),
    isKill: Math.floor(((i + 1) * kills) / (kills + cuts)) > Math.floor((i * kills) / (kills + cuts)),
  }));
  let child = start(options);
  for (const { at, isKill } of strikes) {
    await until(child, 15, async () => answered(await readJournal(options.journal), options.name) >= at);
    if (!isKill) {
      await until(child, 1, () => cutOne(admin, options));
      continue;
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    result.kills += 1;
    const last = (await readJournal(options.journal)).findLast(({ writer }) => writer === options.name);
    if (last?.event === 'sent') {
      result.inCall += 1;
      if (await isSaid(admin, options, calls[last.call]!.key)) result.unheard += 1;
    }
    child = start(options);
  }
  if (child.exitCode === null) await once(child, 'exit');
  if (child.exitCode !== 0) throw new Error(`the writer ${options.name} ended with ${child.exitCode}`);
  return result;
}

function start(options: StormWriterOptions): ChildProcess {
  const script = fileURLToPath(new URL('storm-writer.ts', import.meta.url));
  return spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Ends a connection of the writer in the middle of a call: the call is undone, or its answer is lost. */
async function cutOne(admin: Database, { name }: StormWriterOptions): Promise<boolean> {
  const { rows } = await admin.query<{ ended: boolean }>(
    sql`select pg_terminate_backend(pid) as ended from pg_stat_activity
        where application_name = ${`storm ${name}`} and state = 'active' and query like '%append_messages%' limit 1`,
  );
  return rows[0]?.ended === true;
}

/** Whether a call was carried out of which a killed writer did not hear, once nothing of it is under way any more. */
async function isSaid(admin: Database, { name, thread }: StormWriterOptions, key: string): Promise<boolean> {
  for (;;) {
    const { rows } = await admin.query<{ busy: boolean; said: boolean }>(
      sql`select exists (select from pg_stat_activity where application_name = ${`storm ${name}`}) as busy,
            exists (select from app_public.messages where thread_id = ${thread} and idempotency_key = ${key}) as said`,
    );
    if (rows[0]?.busy === false) return rows[0].said;
    await sleep(5);
  }
}

async function until(child: ChildProcess, pauseMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await isSo())) {
    if (child.exitCode !== null)
      throw new Error('a writer ended before its strikes were over: give it more messages');
    if (Date.now() > deadline) throw new Error('waited two minutes for a writer');
    await sleep(pauseMs);
  }
}

async function readFacts(admin: Database, thread: string): Promise<StormFacts> {
  const messages = await admin.query<StormFacts['messages'][number]>(
    sql`select number, content, idempotency_key as key from app_public.messages where thread_id = ${thread} order by number`,
  );
  const { rows } = await admin.query<{ version: number }>(
    sql`select version from app_public.threads where id = ${thread}`,
  );
  const logged = await admin.query<{ content: string }>(
    sql`select new_values ->> 'content' as content from audit.log
        where table_name = 'app_public.messages' and operation = 'insert' and new_values ->> 'thread_id' = ${thread}`,
  );
  return {
    version: rows[0]!.version,
    messages: messages.rows,
    logged: logged.rows.map(({ content }) => content),
  };
}
