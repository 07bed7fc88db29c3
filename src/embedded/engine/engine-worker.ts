import { existsSync, renameSync, rmSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { Control } from './engine-messages.ts';
import type { EngineStart, FromEngine, GroupItem, ToEngine } from './engine-messages.ts';
import { EngineSession } from './engine-session.ts';

// The engine's thread. It runs PGlite and nothing that cannot stand still for the length of a query. Started by
// engine.ts.

/** Output of a running item is sent in pieces of this size. */
const pieceBytes = 64 * 1024;
/** Most lines of Postgres that are remembered while it starts. */
const mostLines = 100;
/** Copying is cheaper than transferring below this size. */
const transferBytes = 16 * 1024;

const port = parentPort;
if (!port) throw new Error('engine-worker.ts is started as a worker thread');
const start = workerData as EngineStart;
const control = new Control(start.control);
let running = 0;
let answering = false;

/** The last lines that Postgres wrote, while it starts: PGlite's own errors do not have them. */
const said: string[] = [];
let starting = true;
const created = start.directory !== null && !existsSync(`${start.directory}/PG_VERSION`);
const pg = await begin();
starting = false;
const parameters = new Map<string, string>();
const session = new EngineSession(pg, parameters, moreInput, sendAhead);
port.on('message', (message: ToEngine) => void handle(message));
post({ kind: 'ready', parameters: [...parameters], created });

/** Makes the database unless it exists, and opens it. Rejects with Postgres's own reason where it gave one. */
async function begin(): Promise<PGlite> {
  try {
    if (start.directory !== null && created) await create(start.directory);
    return await open(start.directory ?? 'memory://', start.directory === null ? start.template : null);
  } catch (error) {
    const reason =
      said.findLast((line) => /\b(PANIC|FATAL): /.test(line)) ??
      said.findLast((line) => /\bERROR: /.test(line));
    throw new Error(reason?.replace(/^.*?\b(?:PANIC|FATAL|ERROR): +/, '') ?? reasonOf(error), {
      cause: error,
    });
  }
}

function hear(line: string): void {
  if (starting && said.push(line) > mostLines) said.shift();
}

async function handle(message: ToEngine): Promise<void> {
  switch (message.kind) {
    case 'run':
      try {
        runGroup(message.items, message.bytes);
      } catch (error) {
        post({ kind: 'crashed', reason: reasonOf(error) });
      }
      return;
    case 'feed':
      // The COPY that these data belong to has failed.
      post({ kind: 'consumed', bytes: message.bytes.length });
      return;
    case 'dump': {
      const tar = new Uint8Array(await (await pg.dumpDataDir('none')).arrayBuffer());
      post({ kind: 'dumped', tar }, tar);
      return;
    }
    case 'close':
      await pg.close();
      post({ kind: 'closed' });
      port?.close();
      return;
    default:
      message satisfies never;
  }
}

function runGroup(items: readonly GroupItem[], bytes: Uint8Array): void {
  let offset = 0;
  for (let index = 0; ; index++) {
    const item = items[index];
    if (!item) return;
    running = index;
    answering = item.kind === 'client';
    session.scanner.reset();
    if (item.length > 0) session.run(bytes.subarray(offset, offset + item.length));
    offset += item.length;
    const findings = session.scanner.findings;
    const idle = item.length === 0 || findings.status === 'I';
    const unchanged = item.kind !== 'client' || findings.parameters.length === 0;
    const restored = item.kind !== 'switch' || findings.error === undefined;
    const more = index + 1 < items.length && idle && unchanged && restored && control.advance(index);
    const output = item.kind === 'client' ? session.scanner.take() : new Uint8Array();
    post({ kind: 'result', index, bytes: output, last: !more, ...findings }, output);
    if (!more) return;
  }
}

/** Returns the next COPY FROM STDIN data. Blocks the thread until the client has sent them. */
function moreInput(): Uint8Array {
  sendOutput();
  const bytes = control.waitForInput(() => {
    const received = port ? receiveMessageOnPort(port) : undefined;
    const message = received?.message as ToEngine | undefined;
    return message?.kind === 'feed' ? message.bytes : undefined;
  });
  post({ kind: 'consumed', bytes: bytes.length });
  return bytes;
}

function sendAhead(): void {
  if (answering && session.scanner.complete >= pieceBytes) sendOutput();
}

function sendOutput(): void {
  const output = session.scanner.take();
  // The length is read first, because posting the output gives its memory away.
  const { length } = output;
  post({ kind: 'output', index: running, bytes: output, copying: session.scanner.copying }, output);
  control.sent(length);
}

function post(message: FromEngine, bytes?: Uint8Array<ArrayBuffer>): void {
  port?.postMessage(message, bytes && bytes.length >= transferBytes ? [bytes.buffer] : []);
}

/**
 * Makes a new database under another name, so that a process killed half way leaves nothing that looks like a
 * database.
 */
async function create(directory: string): Promise<void> {
  const unfinished = `${directory}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  const fresh = await open(unfinished, start.template);
  await fresh.close();
  renameSync(unfinished, directory);
}

function open(directory: string, template: Uint8Array | null): Promise<PGlite> {
  return PGlite.create(directory, {
    extensions: { vector },
    onStderr: (line) => {
      hear(line);
      return true;
    },
    startParams: startParameters(),
    ...(template ? { loadDataDir: new Blob([template as Uint8Array<ArrayBuffer>]) } : {}),
  });
}

/** PGlite's own parameters with our defaults, to which `reset all` returns. */
function startParameters(): string[] {
  // Checkpoints keep the log short (group.ts), so fewer segments have to be kept for reuse.
  const ours = ['search_path=app_public, public', 'jit=off', 'min_wal_size=64MB', 'max_wal_size=128MB'];
  const theirs = PGlite.defaultStartParams.flatMap((parameter, i, all) =>
    parameter.startsWith('search_path=') || all[i + 1]?.startsWith('search_path=') ? [] : [parameter],
  );
  return [...theirs, ...ours.flatMap((setting) => ['-c', setting])];
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Object)) return String(error);
  const name = 'name' in error ? String(error.name) : 'Error';
  return 'message' in error ? `${name}: ${String(error.message)}` : name;
}
