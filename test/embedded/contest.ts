import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** How two processes that share a directory are separated: neither sees the other's pid, or their host names differ. */
export type Isolation = 'pid namespaces' | 'host names';

/** One contest of two engines for a directory. */
export interface Contest {
  readonly isolation: Isolation;
  /** The delay of the second start. */
  readonly apartMs: number;
  /** A data directory of Postgres with the schema, of which a copy is used. */
  readonly database: string;
  /** The number of writes that the holder acknowledges before it is killed. */
  readonly rows: number;
}

/** The result of a contest. */
export interface ContestResult {
  readonly serving: number;
  /** The messages of the processes that did not serve. */
  readonly refusals: readonly string[];
  readonly acknowledged: number;
  readonly lost: number;
  /** Time from the start right after the kill until that process answered. */
  readonly takeoverMs: number;
  /** A sentence for each fault. */
  readonly problems: readonly string[];
}

/** The arguments of `unshare` with which this machine gives a process its own namespaces; null when it does not. */
export function isolationArguments(): readonly string[] | null {
  const works = (args: readonly string[]) =>
    spawnSync('unshare', [...args, '--pid', '--uts', '--fork', 'true']).status === 0;
  return [[], ['--map-root-user']].find(works) ?? null;
}

/**
 * Starts two `lightning start` on one directory, writes through each one that serves, kills it with SIGKILL, and at
 * once starts another one, which has to find every acknowledged row. Takes some seconds; leaves nothing behind.
 */
export async function holdContest(contest: Contest): Promise<ContestResult> {
  const directory = await mkdtemp(join(tmpdir(), 'contest-'));
  const engines: Engine[] = [];
  try {
    await cp(contest.database, join(directory, 'postgres'), { recursive: true });
    const begin = (name: string) => {
      const engine = startEngine(directory, contest.isolation, name);
      engines.push(engine);
      return engine;
    };
    const first = begin('engine-a');
    await sleep(contest.apartMs);
    const second = begin('engine-b');
    const served = await Promise.all([first.answer, second.answer]);
    const serving = served.filter((answer) => answer !== null);
    const refusals = await Promise.all(
      [first, second].filter((_, i) => served[i] === null).map((engine) => engine.ended),
    );
    const written = await Promise.all(serving.map((api) => write(api, contest.rows)));
    const acknowledged = written.flat();

    for (const engine of [first, second]) await engine.kill();
    const killedAt = performance.now();
    const third = begin('engine-c');
    const api = await third.answer;
    const takeoverMs = Math.round(performance.now() - killedAt);
    const stored = api ? await read(api) : new Set<string>();
    const lost = acknowledged.filter((id) => !stored.has(id)).length;
    const named = new RegExp(
      `is already open in process \\d+ on host ${contest.isolation === 'host names' ? 'engine-[ab]' : '\\S+'} since`,
    );
    return {
      serving: serving.length,
      refusals,
      acknowledged: acknowledged.length,
      lost,
      takeoverMs,
      problems: [
        ...(serving.length === 1 ? [] : [`expected one engine to serve, ${serving.length} did`]),
        ...refusals.filter((text) => !named.test(text)).map((text) => `refused without a name: ${text}`),
        ...(acknowledged.length >= contest.rows
          ? []
          : [`expected ${contest.rows} acknowledged rows, got ${acknowledged.length}`]),
        ...(lost === 0 ? [] : [`${lost} of ${acknowledged.length} acknowledged rows are lost`]),
        ...(api ? [] : [`the start after the kill did not serve: ${await third.ended}`]),
      ],
    };
  } finally {
    for (const engine of engines) await engine.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

interface Api {
  readonly url: string;
  readonly token: string;
}

interface Engine {
  /** Null when the process ended before it served. */
  readonly answer: Promise<Api | null>;
  /** Its output, once it has ended. */
  readonly ended: Promise<string>;
  /** Sends SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

const bin = fileURLToPath(new URL('../../bin/lightning', import.meta.url));

function startEngine(directory: string, isolation: Isolation, name: string): Engine {
  const own = isolation === 'pid namespaces' ? ['--pid'] : ['--uts'];
  const run = isolation === 'pid namespaces' ? 'exec "$0" "$@"' : `hostname ${name} && exec "$0" "$@"`;
  const child = spawn(
    'unshare',
    [
      ...(isolationArguments() ?? []),
      ...own,
      '--fork',
      '--kill-child',
      'sh',
      '-c',
      run,
      process.execPath,
      bin,
      'start',
    ],
    {
      env: { PATH: process.env['PATH'] ?? '', DATA_DIR: directory, PORT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const answer = new Promise<Api | null>((resolve) => {
    void gone.then(() => resolve(null));
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
      const [, url = ''] = /^GraphQL\s+(\S+)\/graphql$/m.exec(output) ?? [];
      if (url === '') return;
      const token = readFileSync(join(directory, 'first-token'), 'utf8').trim();
      resolve({ url, token });
    });
  });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  return {
    answer,
    ended: gone.then(() => errors),
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      for (const pid of await childrenOf(child)) process.kill(pid, 'SIGKILL');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** The process that `unshare` waits for, which has the database. */
async function childrenOf({ pid }: ChildProcess): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

/** Inserts tasks, eight at a time, and returns the ids that were acknowledged. */
async function write({ url, token }: Api, rows: number): Promise<string[]> {
  const ids: string[] = [];
  const writer = async () => {
    while (ids.length < rows) {
      const response = await fetch(`${url}/rest/v1/tasks?select=id`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          prefer: 'return=representation',
        },
        body: JSON.stringify({ description: 'acknowledged' }),
      });
      const [row] = (await response.json()) as { id: string }[];
      if (response.status !== 201 || !row) throw new Error(`an insert was answered with ${response.status}`);
      ids.push(row.id);
    }
  };
  await Promise.all(Array.from({ length: 8 }, writer));
  return ids;
}

async function read({ url, token }: Api): Promise<Set<string>> {
  const ids = new Set<string>();
  for (;;) {
    const response = await fetch(`${url}/rest/v1/tasks?select=id&order=id&offset=${ids.size}&limit=1000`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const rows = (await response.json()) as { id: string }[];
    if (rows.length === 0) return ids;
    for (const { id } of rows) ids.add(id);
  }
}
