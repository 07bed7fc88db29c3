import { expect, test } from 'vitest';
import type { Client } from '../../../src/embedded/front/client.ts';
import { outcomeUnknown } from '../../../src/embedded/front/reports.ts';
import { fatesOf } from '../../../src/embedded/turns/engine-loss.ts';
import type { Item } from '../../../src/embedded/turns/group.ts';

const named = (name: string) => ({ name }) as unknown as Client;
const report = { severity: 'ERROR', code: '57014', message: 'too slow' } as const;
const item = (purpose: 'batch' | 'switch', client: Client, ran = false) =>
  ({ purpose, client, parts: [], ran }) as unknown as Item;

test('clients that ran, that were about to be answered and that had not begun get different reports', () => {
  const [done, unknown, slow, next] = ['done', 'unknown', 'slow', 'next'].map(named) as [
    Client,
    Client,
    Client,
    Client,
  ];
  const items = [
    item('batch', done, true),
    item('batch', unknown),
    item('batch', slow),
    { purpose: 'checkpoint', parts: [], ran: false } as Item,
    item('batch', next),
  ];
  expect(fatesOf(items, 2, null, report)).toMatchObject([
    { kind: 'cut-off', client: unknown, report: outcomeUnknown },
    { kind: 'fail', client: slow, report },
  ]);
  expect(fatesOf(items, 2, slow, report).at(-1)).toMatchObject({ kind: 'answer', client: slow });
});

test('settings that end the engine are not tried again', () => {
  const client = named('client');
  expect(fatesOf([item('switch', client), item('batch', client)], 0, null, report)).toEqual([
    { kind: 'cut-off', client, report: { ...report, severity: 'FATAL' } },
  ]);
});
