import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { configOptions } from '../src/config/options.ts';

/** Each line of docs/waits.md, with the test that reaches this limit: its file and the beginning of its name. */
const tested: Readonly<Record<string, readonly [file: string, test: string]>> = {
  'making a connection, TLS and login included': ['db/waits.test.ts', 'a connection whose making is to %s'],
  'a free connection of the pool': [
    'db/waits.test.ts',
    'who waits for a connection waits no longer than told',
  ],
  'the ping of a connection that rested': [
    'db/waits.test.ts',
    'a rested connection that does not answer a ping',
  ],
  'the answer to a statement': ['db/waits.test.ts', 'a query on a connection that is to %s'],
  'a statement without a time limit, silent': [
    'db/waits.test.ts',
    'a statement without a time limit runs as long',
  ],
  'a COPY whose data are not taken': ['db/waits.test.ts', 'a COPY into a connection that stalls'],
  "the server's goodbye": ['db/waits.test.ts', 'closing does not wait for a server that does not answer'],
  'a notification to itself, on the listener': [
    'db/waits.test.ts',
    'a listener that hears nothing of itself',
  ],
  'a job whose worker did not hear that it got it': [
    'jobs/worker-presence.test.ts',
    'gives back jobs whose answer was lost',
  ],
  "the worker's runner, when it ended unasked": ['jobs/keep-runner.test.ts', 'a run that ends by itself'],
  'a runner that ended, after its last job': [
    'jobs/begin-run.test.ts',
    'takes new jobs although the end of one',
  ],
  '`/readyz`': ['api/server.test.ts', '/readyz gives the reason when it is not'],
  'the drain at SIGTERM': ['api/server.test.ts', 'a drain says no at /readyz'],
  'everything at SIGTERM': ['ending.test.ts', 'one limit holds for all of it'],
  'a connection to object storage': ['backup/store/s3-waits.test.ts', 'a storage that makes no connections'],
  'object storage that is silent in a request': ['backup/store/s3-waits.test.ts', 'ends every call in time'],
  "the beginning of object storage's answer": [
    'backup/store/s3-waits.test.ts',
    'a storage that does not begin its answer',
  ],
  'a call to object storage, repetitions included': [
    'backup/store/s3-waits.test.ts',
    'may take as long for a listing as one call',
  ],
  '16 MB of a download from object storage': [
    'backup/store/s3-waits.test.ts',
    'may take as long for a stretch of a download',
  ],
  'parts of a failed upload, until taken back': [
    'backup/store/s3-waits.test.ts',
    'does not delay the caller that stops an upload',
  ],
  'another try at storing a part of a backup': [
    'backup/server/store-parts.test.ts',
    'a store that was silent for long',
  ],
  'a table that an import of an export needs': ['export/load-export.test.ts', 'that has to wait for a table'],
  'requests of a tenant that is deleted': ['retention/delete-tenant.test.ts', 'requests that do not end'],
  'rows that another session holds, at a deletion': [
    'retention/delete-tenant.test.ts',
    'rows that another session holds are asked for',
  ],
  'transactions that may write to a deleted tenant': [
    'retention/delete-tenant.test.ts',
    'a transaction that stays open for too long',
  ],
  'a server that is away at the start': [
    'db/wait-for-server.test.ts',
    'ends with a sentence and 1 when the time is over',
  ],
  'the headers of a request': ['http/waits.test.ts', 'that sends %s is refused in time'],
  'a request with its body': ['http/waits.test.ts', 'that sends its body a byte at a time'],
  'an answer that nobody reads': ['http/waits.test.ts', 'that leaves the answer at %s unread'],
  'the database, in a scrape of `/metrics`': [
    'monitoring/database-metrics.test.ts',
    'a database that is silent holds a scrape up',
  ],
  'the next request of a connection': ['http/waits.test.ts', 'that keeps a connection and asks nothing'],
};

/** Lines whose limit no test of the suite reaches, and why. */
const untested: Readonly<Record<string, string>> = {
  'the listener of the worker': 'graphile-worker holds it; its parts are tested in db/waits.test.ts',
  'a look at the outbox, at sessions, at tenants':
    'a statement with a statement timeout of its own: db/waits.test.ts',
  "another process's migration": 'ten minutes',
  'a migration that the server does not work on': 'half a minute',
  'another `setup`': 'five minutes',
  'an answer over a replication connection': 'a minute; a statement with a time limit: db/waits.test.ts',
  'WAL that the server has and does not send': 'half a minute',
  'the end of `pg_receivewal`': 'a program that does not heed SIGINT',
  'the next part of a base backup': 'ten minutes',
  "`status`'s look at object storage": 'twenty seconds; a call with a limit: backup/store/s3-waits.test.ts',
  'the WAL of a base backup, until it is stored': 'ten minutes',
  "the WAL of a drill's moment, until it is stored": 'two minutes',
  'the first message of a WebSocket': 'graphql-ws keeps it',
  'the pong of a WebSocket': 'half a minute',
  'the heartbeat of `/events`': 'the client keeps it',
  'the webhook of alerts': 'jobs/send-alert.test.ts sends to a webhook that does not answer',
  'the endpoint of embeddings': 'embeddings/ has an endpoint that does not answer',
  'the turn on the embedded database': 'embedded/watchdog.test.ts',
  'the end of the embedded engine': 'half a minute',
};

const rows = readFileSync(new URL('../docs/waits.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, wait]) => wait !== 'wait' && !/^-+$/.test(wait ?? ''));

test('every wait of docs/waits.md is tested, or listed with the reason why not', () => {
  const listed = [...Object.keys(tested), ...Object.keys(untested)];
  expect(rows.map(([, wait]) => wait).toSorted()).toEqual(listed.toSorted());
  for (const [file, name] of Object.values(tested)) {
    expect(readFileSync(new URL(file, import.meta.url), 'utf8')).toContain(name);
  }
});

test('every setting that docs/waits.md names exists', () => {
  const names = rows.flatMap(([, , , setting]) => setting?.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? []);
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(configOptions.map((option) => option.name)).toContain(name);
});
