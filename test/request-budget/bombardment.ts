import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Client } from 'pg';
import { WebSocket } from 'ws';
import { signToken } from '../../src/auth/jwt.ts';
import { migrate } from '../../src/db/migrations.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { dropEverything } from '../bench/databases.ts';
import { startLightning } from '../support/lightning.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { bombs, requestOf } from './bombs.ts';
import type { Bomb } from './bombs.ts';

const help = `node test/request-budget/bombardment.ts [options]

Starts \`lightning serve\` on a server, and sends it everything that is small to send and large to answer (bombs.ts), by a
member and without a token, over HTTP and over WebSocket, while a second tenant sends ordinary requests. Checks:

  - every bomb is refused with its code;
  - no bomb takes more than 50 ms of work: CPU time of the server's main thread (/proc/PID/task/PID/schedstat, so Linux only),
    each bomb sent alone, the median of five;
  - the second tenant waits less than 100 ms for 99 of 100 of its answers, under all bombs the whole time;
  - afterwards the process holds at most a tenth more memory than before (VmRSS after a garbage collection, requested over V8's
    inspector: by itself V8 collects only when it allocates more).

  --seconds N     duration of the attack (default 600)
  --json FILE     write all numbers there too
  --help          this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Exits with 1 when a
check fails.
`;

/** The limit for one bomb's CPU time on the main thread, in milliseconds. */
const mostWorkMs = 50;
/** The limit for 99 of 100 answers to the second tenant, in milliseconds. */
const mostWaitMs = 100;
/** The limit of memory afterwards, relative to before. */
const memoryTolerance = 1.1;
/** The number of simultaneous requests of the second tenant. */
const tenantConnections = 4;

/** The results. */
export interface BombardmentReport {
  readonly bombs: number;
  readonly sent: number;
  readonly work: readonly { readonly bomb: string; readonly caller: string; readonly ms: number }[];
  readonly tenant: {
    readonly requests: number;
    readonly p50: number;
    readonly p99: number;
    readonly most: number;
  };
  /** MB of the process's memory (VmRSS). */
  readonly memory: { readonly before: number; readonly highest: number; readonly after: number };
  readonly problems: readonly string[];
}

interface Options {
  readonly seconds: number;
}

if (isMainThread) process.exitCode = await main(process.argv.slice(2));
else await bombard(workerData as Target);

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseOptions(argv);
  if (typeof parsed === 'string') {
    process.stderr.write(`bombardment: ${parsed} (--help lists the options)\n`);
    return 2;
  }
  if (parsed === null) {
    process.stdout.write(help);
    return 0;
  }
  const server = await provideServer();
  if (server.kind === 'unavailable') {
    process.stderr.write(`bombardment: no server: ${server.reason}\n`);
    return 1;
  }
  try {
    const report = await run(server.adminUrl, parsed.options);
    process.stdout.write(format(report));
    if (parsed.json !== undefined) await writeFile(parsed.json, `${JSON.stringify(report, null, 2)}\n`);
    return report.problems.length === 0 ? 0 : 1;
  } finally {
    await server.stop();
  }
}

function parseOptions(
  argv: readonly string[],
): { options: Options; json: string | undefined } | string | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        seconds: { type: 'string', default: '600' },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return null;
    if (!/^[1-9]\d{0,4}$/.test(values.seconds))
      return `--seconds is ${JSON.stringify(values.seconds)}; a whole number from 1 to 99999 is needed`;
    return { options: { seconds: Number(values.seconds) }, json: values.json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function run(adminUrl: string, options: Options): Promise<BombardmentReport> {
  const prefix = `bombs_${randomBytes(4).toString('hex')}`;
  const secret = randomBytes(32).toString('hex');
  const login = (kind: string): string => `${prefix}_login_${kind}`;
  try {
    const urls = await setupServer({
      adminUrl,
      databaseName: prefix,
      rolePrefix: prefix,
      logins: {
        api: login('api'),
        migrate: login('migrate'),
        worker: login('worker'),
        backup: login('backup'),
      },
      log: () => {},
    });
    if (urls.api === null || urls.migrate === null) throw new Error(`the logins ${prefix}_* exist already`);
    await migrate({ connectionString: urls.migrate, rolePrefix: prefix, log: () => {} });
    await fill(Object.assign(new URL(adminUrl), { pathname: `/${prefix}` }).href);
    const token = (tenantId: string): Promise<string> =>
      signToken(
        secret,
        { role: 'member', tenantId, subject: 'bombardment', lifetimeSeconds: 36_000 },
        new Date(),
      );
    const lightning = await startLightning(
      // A signal opens the inspector, which otherwise opens by itself on a port that may be taken.
      {
        DATABASE_URL: urls.api,
        JWT_SECRET: secret,
        DB_ROLE_PREFIX: prefix,
        NODE_OPTIONS: '--inspect-port=0',
      },
      ['serve'],
    );
    const inspector = await openInspector(lightning.process);
    try {
      const target = { url: lightning.url, token: await token('default') };
      return await judge(inspector, target, await token('other'), options);
    } finally {
      inspector.close();
      await lightning.stop();
    }
  } finally {
    await dropEverything(adminUrl, prefix, [prefix]);
  }
}

/** A second tenant, with rows to read. */
async function fill(url: string): Promise<void> {
  const admin = new Client({ connectionString: url });
  await admin.connect();
  try {
    await admin.query(`select ops.create_tenant('other', 'Other')`);
    for (const tenant of ['default', 'other']) {
      await admin.query(
        `insert into app_public.agents (tenant_id, id, name, model) select $1, 'agent' || n, 'Agent ' || n, 'm' from generate_series(1, 20) n`,
        [tenant],
      );
      await admin.query(
        `insert into app_public.tasks (tenant_id, agent_id, description) select $1, 'agent' || 1 + n % 20, 'task ' || n from generate_series(1, 1000) n`,
        [tenant],
      );
    }
  } finally {
    await admin.end();
  }
}

interface Target {
  readonly url: string;
  readonly token: string;
}

async function judge(
  { pid, collectGarbage }: Inspector,
  target: Target,
  tenantToken: string,
  { seconds }: Options,
): Promise<BombardmentReport> {
  const problems: string[] = [];
  const memoryHeld = async (): Promise<number> => {
    // The leftovers of the last requests are released a moment later.
    await sleep(2_000);
    await collectGarbage();
    await sleep(2_000);
    return memoryOf(pid);
  };
  const callers = callersOf(target);
  // Each bomb is sent once first: code and caches that stay for good belong to the memory of before.
  for (const caller of callers) {
    for (const bomb of bombs) {
      const problem = await caller.send(bomb);
      if (problem !== null) problems.push(`${bomb.name}, by ${caller.name}: ${problem}`);
    }
  }
  await ordinary(target.url, tenantToken, 5, tenantConnections);
  const work = [];
  for (const caller of callers) {
    for (const bomb of bombs) {
      const times: number[] = [];
      for (let i = 0; i < 5; i++) {
        const before = await workOf(pid);
        await caller.send(bomb);
        times.push((await workOf(pid)) - before);
      }
      const ms = percentile(times, 50);
      work.push({ bomb: bomb.name, caller: caller.name, ms });
      if (ms > mostWorkMs) problems.push(`${bomb.name}, by ${caller.name}: ${ms.toFixed(1)} ms of work`);
    }
  }
  for (const caller of callers) caller.close();
  const before = await memoryHeld();

  const bomber = new Worker(new URL(import.meta.url), { workerData: target });
  await new Promise((resolve) => bomber.once('message', resolve));
  const reported = new Promise<{ sent: number; problems: readonly string[] }>((resolve, reject) => {
    bomber.once('message', resolve);
    bomber.once('error', reject);
  });
  let highest = before;
  const watching = setInterval(() => {
    void memoryOf(pid).then((memory) => (highest = Math.max(highest, memory)));
  }, 500);
  const waits = await ordinary(target.url, tenantToken, seconds, tenantConnections);
  clearInterval(watching);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has none
  bomber.postMessage('stop');
  const { sent, problems: further } = await reported;
  problems.push(...further);
  const p99 = percentile(waits, 99);
  if (waits.length < 100)
    problems.push(`the second tenant got ${waits.length} answers; at least 100 are needed`);
  if (p99 > mostWaitMs) problems.push(`the second tenant's p99 is ${p99.toFixed(1)} ms`);
  if (sent < bombs.length) problems.push(`only ${sent} bombs were sent`);
  const after = await memoryHeld();
  if (after > before * memoryTolerance) problems.push(`the memory is ${after} MB; it was ${before} MB`);
  return {
    bombs: bombs.length,
    sent,
    work,
    tenant: { requests: waits.length, p50: percentile(waits, 50), p99, most: percentile(waits, 100) },
    memory: { before, highest, after },
    problems,
  };
}

/** Sends bombs until it is told to stop; each caller sends one after the other. */
async function bombard(target: Target): Promise<void> {
  const stopping = new AbortController();
  parentPort?.once('message', () => stopping.abort());
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has none
  parentPort?.postMessage('falling');
  let sent = 0;
  const problems = new Set<string>();
  const callers = callersOf(target);
  await Promise.all(
    callers.map(async (caller) => {
      for (let i = 0; !stopping.signal.aborted; i = (i + 1) % bombs.length) {
        const bomb = bombs[i];
        if (bomb === undefined) break;
        const problem = await caller.send(bomb);
        if (problem !== null) problems.add(`${bomb.name}, by ${caller.name}: ${problem}`);
        sent++;
      }
      caller.close();
    }),
  );
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has none
  parentPort?.postMessage({ sent, problems: [...problems] });
}

/** A sender of bombs. */
interface Caller {
  readonly name: string;
  /** Null when the bomb was refused as expected. */
  send(bomb: Bomb): Promise<string | null>;
  close(): void;
}

function callersOf({ url, token }: Target): readonly Caller[] {
  return [['a member', token] as const, ['nobody', null] as const].flatMap(([name, as]) => [
    overHttp(`${name} over HTTP`, url, as),
    overWebsocket(`${name} over WebSocket`, url, as),
  ]);
}

function overHttp(name: string, url: string, token: string | null): Caller {
  const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
  return {
    name,
    send: async (bomb) => {
      const isGraphql = bomb.door === 'graphql';
      const body = isGraphql ? requestOf(bomb) : bomb.body;
      const response = await fetch(isGraphql ? `${url}/graphql` : `${url}/rest/v1${bomb.path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          'content-type': isGraphql ? 'application/json' : (bomb.contentType ?? 'application/json'),
          ...authorization,
        },
        ...(body === undefined ? {} : { body }),
      });
      return wrongAnswer(bomb, response.status, await response.text());
    },
    close: () => {},
  };
}

function wrongAnswer({ code }: Bomb, status: number, text: string): string | null {
  return status >= 400 && status < 500 && text.includes(`"${code}"`)
    ? null
    : `${status} ${text.slice(0, 300)}, not ${code}`;
}

/** Uses one connection for all bombs; REST's bombs do not apply here. */
function overWebsocket(name: string, url: string, token: string | null): Caller {
  let opening: Promise<WebSocket> | null = null;
  let last = 0;
  const open = (): Promise<WebSocket> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
        origin: 'https://elsewhere.example',
      });
      socket.once('error', reject);
      socket.once('open', () => {
        const payload = token === null ? {} : { authorization: `Bearer ${token}` };
        socket.send(JSON.stringify({ type: 'connection_init', payload }));
      });
      socket.once('message', () => resolve(socket));
    });
  return {
    name,
    send: async (bomb) => {
      if (bomb.door !== 'graphql') return null;
      const socket = await (opening ??= open());
      const id = String(++last);
      const answered = new Promise<string>((resolve) => {
        const settle = (text: string): void => {
          socket.off('message', hear).off('close', end);
          resolve(text);
        };
        const hear = (data: Buffer): void => {
          const text = String(data);
          if ((JSON.parse(text) as { id?: string }).id === id) settle(text);
        };
        const end = (closeCode: number, reason: Buffer): void =>
          settle(`closed with ${closeCode} ${String(reason)}`);
        socket.on('message', hear).on('close', end);
      });
      socket.send(`{"type": "subscribe", "id": "${id}", "payload": ${requestOf(bomb)}}`);
      const text = await answered;
      if (socket.readyState !== socket.OPEN) opening = null;
      return text.includes('"type":"error"') && text.includes(`"${bomb.code}"`)
        ? null
        : `${text.slice(0, 300)}, not ${bomb.code}`;
    },
    close: () => void opening?.then((socket) => socket.close()),
  };
}

/** Sends ordinary requests for some seconds; returns the wait of each in milliseconds. */
async function ordinary(url: string, token: string, seconds: number, connections: number): Promise<number[]> {
  const end = performance.now() + seconds * 1000;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const query = '{ agents(first: 20) { nodes { id name tasks(first: 5) { nodes { id description } } } } }';
  const requests = [
    () => fetch(`${url}/rest/v1/agents?id=eq.agent1`, { headers }),
    () => fetch(`${url}/rest/v1/tasks?select=id,description,agents(name)&limit=50`, { headers }),
    () => fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) }),
  ];
  const waits: number[] = [];
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let i = 0; performance.now() < end; i++) {
        const began = performance.now();
        const response = await requests[i % requests.length]?.();
        const text = await response?.text();
        if (response?.status !== 200) throw new Error(`the second tenant got ${response?.status}: ${text}`);
        waits.push(performance.now() - began);
        await sleep(10);
      }
    }),
  );
  return waits;
}

/** CPU time of the process's main thread so far, in milliseconds. */
async function workOf(pid: number): Promise<number> {
  const [nanoseconds = ''] = (await readFile(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')).split(' ');
  return Number(nanoseconds) / 1e6;
}

async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? NaN) / 1024);
}

/** The V8 inspector of a process of ours. `close` it. */
interface Inspector {
  readonly pid: number;
  collectGarbage(): Promise<void>;
  close(): void;
}

async function openInspector({ pid, stderr }: ChildProcessWithoutNullStreams): Promise<Inspector> {
  if (pid === undefined) throw new Error('the process has no id');
  const listening = new Promise<string>((resolve) => {
    let text = '';
    stderr.on('data', function hear(data) {
      text += String(data);
      const url = /^Debugger listening on (ws:\S+)$/m.exec(text)?.[1];
      if (url === undefined) return;
      stderr.off('data', hear);
      resolve(url);
    });
  });
  process.kill(pid, 'SIGUSR1');
  const socket = new WebSocket(await listening);
  await once(socket, 'open');
  return {
    pid,
    collectGarbage: async () => {
      const answered = once(socket, 'message');
      socket.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' }));
      await answered;
    },
    close: () => socket.close(),
  };
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}

function format({ bombs: kinds, sent, work, tenant, memory, problems }: BombardmentReport): string {
  const slowest = work.toSorted((a, b) => b.ms - a.ms).slice(0, 5);
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  return [
    `${kinds} kinds of bombs, ${sent} sent`,
    'most work:',
    ...slowest.map((each) => `  ${ms(each.ms)}  ${each.bomb}, by ${each.caller}`),
    `second tenant: ${tenant.requests} requests, p50 ${ms(tenant.p50)}, p99 ${ms(tenant.p99)}, most ${ms(tenant.most)}`,
    `memory: ${memory.before} MB before, ${memory.highest} MB at most, ${memory.after} MB after`,
    ...(problems.length === 0 ? ['all checks passed'] : problems.map((problem) => `WRONG: ${problem}`)),
    '',
  ].join('\n');
}
