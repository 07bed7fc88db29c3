import { describe, expect, test } from 'vitest';
import { setUpOnly } from '../../../src/embedded/front/batch.ts';
import type { Batch } from '../../../src/embedded/front/batch.ts';
import { verdicts } from '../../../src/embedded/turns/watchdog.ts';
import type { Watched, WatchedClient, WatchedRun } from '../../../src/embedded/turns/watchdog.ts';

const limits = { idleInTransactionTimeoutMs: 60_000, queueTimeoutMs: 30_000 };
const batch = { open: false } as Batch;

function client(over: Partial<WatchedClient> = {}): WatchedClient {
  return {
    batch,
    heardAt: 0,
    submittedAt: 0,
    timeoutMs: 0,
    cancelRequested: false,
    session: { idleTimeoutMs: 0 },
    ...over,
  };
}

function run(runs: WatchedClient, over: Partial<WatchedRun<WatchedClient>> = {}): WatchedRun<WatchedClient> {
  return {
    items: [{ purpose: 'batch', client: runs }],
    position: 0,
    startedAt: 0,
    waiting: 'nothing',
    revokedAfter: null,
    readAt: 0,
    ...over,
  };
}

const judged = (watched: Partial<Watched<WatchedClient>>) =>
  verdicts({ now: 0, run: null, holder: null, busySince: 0, queue: [], ...watched }, limits);

describe('a running item', () => {
  test.each([
    ['within its statement_timeout goes on', 1_000, client({ timeoutMs: 1_000 }), []],
    ['without one runs without a limit', 1e9, client(), []],
    ['beyond it costs the engine', 1_001, client({ timeoutMs: 1_000 }), ['replace-engine 57014']],
    [
      'that was cancelled costs the engine at once',
      1,
      client({ cancelRequested: true }),
      ['replace-engine 57014'],
    ],
  ])('%s', (_, now, runs, expected) => {
    const found = judged({ now, run: run(runs) });
    expect(
      found.map((one) => (one.kind === 'replace-engine' ? `${one.kind} ${one.report.code}` : one.kind)),
    ).toEqual(expected);
  });

  test('that exceeds its patience has the items behind it taken back, once', () => {
    const items = [client(), client()].map((one) => ({ purpose: 'batch' as const, client: one }));
    expect(judged({ now: 100, run: run(client(), { items }) })).toEqual([]);
    expect(judged({ now: 101, run: run(client(), { items }) })).toEqual([{ kind: 'take-back', after: 0 }]);
    expect(judged({ now: 101, run: run(client(), { items, position: -1, revokedAfter: 0 }) })).toEqual([]);
  });

  test('that the others no longer wait for is judged by its own timeout', () => {
    const slow = client({ timeoutMs: 500 });
    const items = [slow, client()].map((one) => ({ purpose: 'batch' as const, client: one }));
    const found = judged({ now: 501, run: run(slow, { items, position: -1, revokedAfter: 0 }) });
    expect(found.map(({ kind }) => kind)).toEqual(['replace-engine']);
  });

  test('that is a COPY may wait a minute for its data, and is stopped without the engine', () => {
    const copying = client({ heardAt: 5 });
    expect(judged({ now: 60_005, run: run(copying, { waiting: 'input' }) })).toEqual([]);
    expect(judged({ now: 60_006, run: run(copying, { waiting: 'input' }) })).toMatchObject([
      { kind: 'stop-copying', client: copying },
    ]);
    const overdue = client({ timeoutMs: 10, heardAt: 11 });
    expect(judged({ now: 11, run: run(overdue, { waiting: 'input' }) })).toMatchObject([
      { kind: 'stop-copying', reason: 'canceling statement due to statement timeout' },
    ]);
  });

  test('may wait a minute for its answer to be read', () => {
    const reader = client();
    const waiting = { waiting: 'output', readAt: 7 } as const;
    expect(judged({ now: 60_007, run: run(reader, waiting) })).toEqual([]);
    expect(judged({ now: 60_008, run: run(reader, waiting) })).toEqual([
      { kind: 'end-unread', client: reader },
    ]);
  });

  test('is left alone when it is work between the batches', () => {
    expect(judged({ now: 1e9, run: run(client(), { items: [{ purpose: 'checkpoint' }] }) })).toEqual([]);
  });
});

test.each([
  [0, 60_000, 0],
  [0, 60_001, 1],
  [2_000, 2_001, 1],
  [90_000, 60_001, 1],
])(
  'a client that has the engine, with its own limit of %i ms and silent for %i ms: %i cut off',
  (own, now, count) => {
    const holder = client({ batch: null, session: { idleTimeoutMs: own } });
    expect(judged({ now, holder })).toHaveLength(count);
    expect(judged({ now, holder: { ...holder, batch } })).toEqual([]);
  },
);

test('a client that waits too long is told since when the engine is busy, and a new connection is refused', () => {
  const [early, late, beginning] = [
    client({ submittedAt: 10 }),
    client({ submittedAt: 11 }),
    client({ batch: setUpOnly }),
  ];
  const found = judged({ now: 30_011, busySince: 11, queue: [early, late, beginning] });
  expect(found).toMatchObject([
    { kind: 'give-up-waiting', client: early, report: { message: expect.stringContaining('30') } },
    { kind: 'cut-off', client: beginning, report: { severity: 'FATAL' } },
  ]);
});
