import { AssertionError } from 'node:assert';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseError } from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../src/config/parse-config.ts';
import { AppError } from '../src/errors.ts';
import { OperationalError } from '../src/operational-error.ts';
import { RestError } from '../src/rest/errors.ts';
import { lightningHere } from './support/lightning-here.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Error classes that nobody is shown, and what becomes of them. */
const kept = new Map([
  ['OperationalError', 'is the base'],
  ['RefusedOperation', 'carries errors of GraphQL to the place that sends them'],
  ['CannotListen', 'has the listener look for itself'],
  ['LineError', 'becomes the end of a sentence that names the file and the line'],
  ['RowRefused', 'becomes the reason of a row in quarantine'],
]);

test('every error class extends OperationalError, or is one that nobody is shown', async () => {
  const others: string[] = [];
  let count = 0;
  for (const file of await readdir(join(root, 'src'), { recursive: true })) {
    if (!file.endsWith('.ts')) continue;
    const text = await readFile(join(root, 'src', file), 'utf8');
    for (const [, name = '', base] of text.matchAll(/^(?:export )?class (\w+) extends (\w*Error)\b/gm)) {
      count += 1;
      if (base !== 'OperationalError' && base !== 'ConnectionsError') others.push(name);
    }
  }
  expect(count).toBeGreaterThan(40);
  expect(others.toSorted()).toEqual([...kept.keys()].toSorted());
});

/** Makes a command fail with the given error, as if its output could not be written. */
function failWith(error: unknown) {
  return lightningHere(['token'], { JWT_SECRET: 'x'.repeat(32) }, () => {
    throw error;
  });
}

function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('it threw nothing');
}

const databaseError = new DatabaseError('permission denied for table tasks', 33, 'error');
databaseError.code = '42501';

test.each<[string, unknown]>([
  ['an OperationalError', new OperationalError('what was asked for')],
  ['a class of ours', new AppError('TENANT_SUSPENDED', 'the tenant acme is locked out')],
  ['a class of ours with a code', new RestError('PGRST100', 'the filter cannot be read')],
  ['a refusal of Postgres', databaseError],
  ['a refusal of the system', Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })],
  ['the end of a wait', new DOMException('The operation was aborted due to timeout', 'TimeoutError')],
])('%s is told by its message alone', async (_, error) => {
  const { status, stderr } = await failWith(error);
  expect({ status, stderr }).toEqual({ status: 1, stderr: `lightning: ${(error as Error).message}\n` });
});

test.each<[string, unknown]>([
  ['a TypeError', thrown(() => (null as unknown as { name: string }).name)],
  ['a RangeError of ours', thrown(() => 'x'.repeat(-1))],
  ['a RangeError of Node, which has a code', thrown(() => Buffer.alloc(-1))],
  ['a SyntaxError', thrown(() => JSON.parse('{') as unknown)],
  ['a ReferenceError', new ReferenceError('database is not defined')],
  ['an assertion, which has a code', new AssertionError({ message: 'this cannot be' })],
  ['an Error without a class', new Error('a plan of kind read has no statements')],
  [
    'a class of a library',
    new (class extends Error {
      override name = 'LibraryError';
    })('inside'),
  ],
  ['a value that cannot be copied', thrown(() => structuredClone(() => undefined))],
])('%s is a bug, and is told with its stack', async (_, error) => {
  const { status, stderr } = await failWith(error);
  expect(status).toBe(1);
  expect(stderr).toContain((error as Error).message);
  expect(stderr).toContain((error as Error).stack);
  expect(stderr).toMatch(/\n {4}at /);
});

describe('an error that the operator can mend is a sentence', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'mend-'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  test.each<[string, (data: string) => Promise<void>, string[], RegExp]>([
    [
      'a data directory of another major version',
      async (data) => {
        await mkdir(join(data, 'postgres'), { recursive: true });
        await writeFile(join(data, 'postgres', 'PG_VERSION'), '16\n');
      },
      ['tenant', 'list'],
      /was written by Postgres 16, and this is Postgres 18: export it/,
    ],
    [
      'a data directory that is a file',
      (data) => writeFile(data, ''),
      ['migrate'],
      /data is not a directory: set DATA_DIR to one/,
    ],
    [
      'a secret that was cut short',
      async (data) => {
        await mkdir(data);
        await writeFile(join(data, 'jwt-secret'), 'short');
      },
      ['token'],
      /jwt-secret has 5 characters; expected 32 or more: remove it/,
    ],
  ])('%s', async (_, prepare, argv, message) => {
    const data = join(home, 'data');
    await prepare(data);
    const { status, stderr } = await lightningHere(argv, { DATA_DIR: data });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect(status).toBe(1);
  });

  test('a data directory whose path is too long for a socket', async () => {
    const { status, stderr } = await lightningHere(['migrate'], { DATA_DIR: join(home, 'x'.repeat(100)) });
    expect(stderr).toMatch(/the system allows 10[37]: set DATA_DIR to a directory with a shorter path\n$/);
    expect(status).toBe(1);
  });
});

test('a thrown value that is not an error is shown as it is', async () => {
  expect(await failWith('a text')).toMatchObject({ status: 1, stderr: 'lightning: a text\n' });
});

test('an invalid configuration exits with 2', async () => {
  expect(await failWith(new ConfigError(['PORT is "x"']))).toMatchObject({ status: 2 });
});
