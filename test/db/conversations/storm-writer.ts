// A writer of the storm (storm.ts) to kill: it says its messages call by call, through the same path as the API, and goes on where its
// journal ends, which may be in the middle of a call: then it makes that call again.
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { claimsOf } from '../../../src/auth/claims.ts';
import { asRequester } from '../../../src/auth/requester.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { callOf } from '../../support/task-target.ts';
import type { Row } from '../../support/task-target.ts';
import { answered, callsOf, readJournal } from './storm-calls.ts';
import type { JournalEntry, StormCall } from './storm-calls.ts';

/** What a writer is told, as JSON in its first argument. */
export interface StormWriterOptions {
  readonly url: string;
  readonly rolePrefix: string;
  readonly tenant: string;
  readonly thread: string;
  readonly name: string;
  readonly messages: number;
  readonly journal: string;
}

const options = JSON.parse(process.argv[2] ?? '') as StormWriterOptions;
const { name, thread } = options;
const calls = callsOf(name, options.messages);
const from = answered(await readJournal(options.journal), name);
const journal = openSync(options.journal, 'a');
const write = (entry: Omit<JournalEntry, 'writer'>) =>
  writeSync(journal, `${JSON.stringify({ ...entry, writer: name })}\n`);

const database = serverDatabase(options.url, { size: 2, overflow: 0, applicationName: `storm ${name}` });
const session = asRequester(
  { database, rolePrefix: options.rolePrefix },
  claimsOf('member', options.tenant, name),
);
/** The version that this writer believes in, which is wrong whenever the other one has spoken. */
let version = 0;

async function append(call: number, { key, contents }: StormCall, expected: number | null): Promise<void> {
  write({ event: 'sent', call });
  try {
    const { rows } = await session.query<Row>(
      callOf('append_messages', {
        thread_id: thread,
        messages: JSON.stringify(contents.map((content) => ({ role: 'user', content }))),
        idempotency_key: key,
        expected_version: expected,
      }),
    );
    const numbers = rows.map(({ number }) => Number(number));
    version = numbers.at(-1)!;
    write({ event: 'told', call, numbers });
    return;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === 'LTC02') {
      write({ event: 'refused', call });
      version = (JSON.parse(error.detail ?? '') as { version: number }).version;
    } else if (error instanceof DatabaseError && error.code?.startsWith('LT')) {
      throw error;
    } else {
      write({ event: 'lost', call });
      await sleep(20);
    }
  }
  await append(call, { key, contents }, expected === null ? null : version);
}

for (const [at, call] of calls.entries()) {
  if (at < from) continue;
  // Every other call expects a version; every fourth is made twice at once.
  if (at % 4 === 0) await Promise.all([append(at, call, null), append(at, call, null)]);
  else await append(at, call, at % 2 === 1 ? version : null);
}
await database.close();
