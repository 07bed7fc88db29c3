import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { S3Waits } from '../../../src/backup/store/s3-client.ts';
import type { S3Location } from '../../../src/backup/store/s3-errors.ts';
import { S3Store } from '../../../src/backup/store/s3-store.ts';
import { StoreUnavailable } from '../../../src/backup/store/store.ts';
import type { Store } from '../../../src/backup/store/store.ts';
import { startS3StandIn } from '../../support/s3-stand-in.ts';
import type { S3StandIn } from '../../support/s3-stand-in.ts';
import { gateTo } from '../../support/tcp-gate.ts';
import type { TcpGate, Treatment } from '../../support/tcp-gate.ts';

/** Two requests for each call, with a negligible pause between them. */
const short: Partial<S3Waits> = { silenceMs: 250, attempts: 2, takeBackMs: 300 };
/** The time for all of them, and a busy machine's own time. */
const shortMs = 2 * 250 + 300 + 4000;

let standIn: S3StandIn;
beforeAll(async () => {
  standIn = await startS3StandIn();
});
afterAll(() => standIn.stop());

/** A storage behind a gate, and the effect of the gate on all connections from `strike` on, including open ones. */
interface Gated {
  readonly location: S3Location;
  readonly gate: TcpGate;
  strike(): void;
  /** Strikes when the second part of an upload comes, then calls `also`. */
  strikeInUpload(also?: () => void): void;
}

async function withGate(fault: Treatment, work: (gated: Gated) => Promise<void>): Promise<void> {
  const storage = await startS3StandIn();
  const location = storage.location();
  const gate = await gateTo(location.endpoint!);
  const strike = (): void => {
    gate.treatPresent(fault);
    gate.treatComing(fault);
  };
  try {
    await work({
      location: { ...location, endpoint: `http://127.0.0.1:${gate.port}` },
      gate,
      strike,
      strikeInUpload: (also) => {
        storage.onRequest = ({ url }) => {
          if (url?.includes('partNumber=2')) {
            strike();
            also?.();
          }
          return 'pass';
        };
      },
    });
    expect(gate.lost(), 'it struck').toBeGreaterThan(0);
  } finally {
    await gate.shut();
    await storage.stop();
  }
}

describe.each(['swallow', 'stall', 'mute'] as const)(
  'object storage behind a network that %ss',
  { concurrent: true },
  (fault) => {
    test('ends every call in time, and says that the store does not answer', () =>
      withGate(fault, async ({ location, strike }) => {
        await new S3Store(location).put('a/there', randomBytes(1000));
        const store = new S3Store(location, short);
        strike();
        const calls: Record<string, () => Promise<unknown>> = {
          'a small upload': () => store.put('a/new', randomBytes(1000)),
          'an upload of one request': () => store.put('a/new', Readable.from([randomBytes(4_000_000)])),
          'an upload in parts': () => store.put('a/new', inPieces(36)),
          'a download': async () => buffer(await store.get('a/there')),
          'a list': () => keysOf(store),
          'a removal': () => store.remove('a/there'),
        };
        await Promise.all(
          Object.entries(calls).map(async ([what, call]) => {
            const error = await inTime(shortMs, call());
            expect(error, what).toBeInstanceOf(StoreUnavailable);
            expect((error as Error).message, what).toMatch(/does not answer \(.*timed out/);
          }),
        );
      }));

    test('ends an upload whose parts no longer arrive, and does not wait until they are taken back', () =>
      withGate(fault, async ({ location, strikeInUpload }) => {
        strikeInUpload();
        const error = await inTime(shortMs, new S3Store(location, short).put('a/new', inPieces(50)));
        expect(error).toBeInstanceOf(StoreUnavailable);
      }));

    test('ends a download in the middle, when it does not come back', () =>
      withGate(fault, async ({ location, strike }) => {
        await new S3Store(location).put('a/large', randomBytes(12_000_000));
        const body = await new S3Store(location, short).get('a/large');
        const readAll = async (): Promise<void> => {
          for await (const _ of body) strike();
        };
        expect(await inTime(shortMs, readAll())).toBeInstanceOf(StoreUnavailable);
      }));

    test('does not delay the caller that stops an upload', () =>
      withGate(fault, async ({ location, strikeInUpload }) => {
        const stopping = new AbortController();
        strikeInUpload(() => setTimeout(() => stopping.abort(new Error('stopped')), 100));
        const store = new S3Store(location, { takeBackMs: 300 });
        const error = await inTime(shortMs, store.put('a/new', inPieces(50), stopping.signal));
        expect(String(error)).toMatch(/stopped|abort/i);
      }));
  },
);

describe('object storage that answers a byte at a time', () => {
  let server: ReturnType<typeof createServer>;
  let dripping: S3Location;
  const waits: Partial<S3Waits> = { ...short, callMs: 900 };
  /** The bytes that are sent, for ever, once the headers are there. */
  let drip = ' ';
  beforeAll(async () => {
    server = createServer((_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(200, { 'content-length': 100_000_000, etag: '"x"' });
      const timer = setInterval(() => response.write(drip), 50);
      response.on('close', () => clearInterval(timer));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    dripping = {
      ...standIn.location(),
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    };
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  test('may take as long for a listing as one call', async () => {
    const error = await inTime(5000, keysOf(new S3Store(dripping, waits)));
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect((error as Error).message).toMatch(/does not answer \(the call took longer than 0\.9 s/);
  });

  test('may take as long for a stretch of a download, and a slow reader may take any time', async () => {
    drip = 'x'.repeat(10);
    const error = await inTime(5000, (async () => buffer(await new S3Store(dripping, waits).get('a/x')))());
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect((error as Error).message).toMatch(/does not answer \(the download took longer than 0\.9 s/);

    const store = new S3Store(standIn.location(), { ...waits, silenceMs: 5000 });
    const content = randomBytes(3_000_000);
    await store.put('a/slowly', content);
    const received: Buffer[] = [];
    let pausesMs = 0;
    for await (const chunk of await store.get('a/slowly')) {
      received.push(chunk as Buffer);
      if (pausesMs >= 1200) continue;
      await new Promise((resolve) => setTimeout(resolve, 300));
      pausesMs += 300;
    }
    expect(pausesMs).toBeGreaterThan(waits.callMs!);
    expect(Buffer.concat(received).equals(content)).toBe(true);
  });
});

test.skipIf(process.platform !== 'linux')(
  'a storage that makes no connections is given up in time',
  async () => {
    // A thread that listens and never accepts: the system completes two connections and leaves the others unanswered.
    const deaf = new Worker(
      `const { createServer } = require('node:net');
       const { parentPort } = require('node:worker_threads');
       const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
         parentPort.postMessage(server.address().port);
         setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
       });`,
      { eval: true },
    );
    const waiting: Socket[] = [];
    try {
      const [port] = (await once(deaf, 'message')) as [number];
      for (let n = 0; n < 4; n += 1) waiting.push(connect(port, '127.0.0.1').on('error', () => {}));
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(waiting.filter(({ connecting }) => connecting).length, 'it is deaf').toBeGreaterThan(0);
      const store = new S3Store(
        { ...standIn.location(), endpoint: `http://127.0.0.1:${port}` },
        { connectMs: 400, attempts: 2 },
      );
      const error = await inTime(5000, keysOf(store));
      expect(error).toBeInstanceOf(StoreUnavailable);
      expect((error as Error).message).toMatch(/did not establish a connection .* 400 ms/);
    } finally {
      for (const socket of waiting) socket.destroy();
      await deaf.terminate();
    }
  },
);

test('a storage that does not begin its answer is given up in time, even when its connection is not silent', async () => {
  // Informational answers, for ever: the connection carries bytes, but the answer does not begin.
  const server = createServer((request: IncomingMessage) => {
    const timer = setInterval(() => request.socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 50);
    request.socket.on('close', () => clearInterval(timer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const store = new S3Store({ ...standIn.location(), endpoint }, { answerMs: 500, attempts: 2 });
    const error = await inTime(5000, store.put('a', Buffer.from('x')));
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect((error as Error).message).toMatch(/exceeded the configured 500 ms/);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

/** The error of a call that has to fail within `ms` milliseconds. */
async function inTime(ms: number, work: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took longer than ${ms} ms`)), ms);
  });
  const error = work.then(
    () => 'it succeeded',
    (caught: unknown) => caught,
  );
  return Promise.race([error, late]).finally(() => clearTimeout(timer));
}

/** A stream of that many megabytes. */
function inPieces(megabytes: number): Readable {
  return Readable.from(
    (function* () {
      for (let n = 0; n < megabytes; n += 1) yield randomBytes(1_000_000);
    })(),
  );
}

async function keysOf(store: Store): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}
