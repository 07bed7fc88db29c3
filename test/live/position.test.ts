import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  advance,
  formatPosition,
  includes,
  isBehind,
  isVisible,
  parsePosition,
  parseSnapshot,
  positionOf,
} from '../../src/live/position.ts';
import type { Position, Snapshot } from '../../src/live/position.ts';

describe('positions', () => {
  test('are written as Postgres writes snapshots, and read back', () => {
    const snapshot: Snapshot = { end: 812, running: [805, 810] };
    expect(formatPosition(positionOf(snapshot))).toBe('805:812:805,810');
    const position: Position = { snapshot, partial: { transaction: 810, id: 7, keys: 2 } };
    expect(formatPosition(position)).toBe('805:812:805,810/810.7.2');
    expect(parsePosition('805:812:805,810/810.7.2')).toEqual(position);
    expect(parsePosition('812:812:')).toEqual(positionOf({ end: 812, running: [] }));
  });

  test.each([
    '',
    '1',
    '5:4:',
    '0:5:',
    '1:9:3,2',
    '1:9:3,3',
    '1:9:9',
    '4:9:3',
    '1:9:-3',
    '1:9:3 ',
    '1:9:3/4.1.1',
    '1:9:3/3.1',
    '1:9:3/3.1.1/3.1.1',
    `1:9:3' or true`,
  ])('refuse %s', (text) => {
    expect(parsePosition(text)).toBeNull();
  });

  test('of two snapshots the newer one includes the older one', () => {
    const older = parseSnapshot('5:9:5,7')!;
    const newer = parseSnapshot('7:12:7,10')!;
    expect([includes(newer, older), includes(older, newer), includes(older, older)]).toEqual([
      true,
      false,
      true,
    ]);
  });

  /**
   * A small server in the test: transactions begin and end in any order. A reader looks now and then, takes some of the
   * new events, may leave at any key, and returns with its position as text.
   */
  test('a reader that resumes anywhere, over any interleaving, gets everything once and each transaction in order', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('begin' as const), rows: fc.nat(3) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(9) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('read' as const),
          take: fc.nat(7),
          limit: fc.integer({ min: 1, max: 4 }),
        }),
      },
    );
    let resumedInTheMiddle = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
        const rows: { transaction: number; id: number; keys: number }[] = [];
        let running: number[] = [];
        let next = 10;
        let id = 100;
        let position = positionOf({ end: 10, running: [] });
        const got: string[] = [];
        const read = (take: number, limit: number): boolean => {
          const base = parsePosition(formatPosition(position))!;
          const seen: Snapshot = { end: next, running: [...running] };
          const first = base.partial?.transaction;
          const found = rows
            .filter(
              ({ transaction }) => isVisible(seen, transaction) && !isVisible(base.snapshot, transaction),
            )
            .filter((row) => row.transaction !== first || row.id >= base.partial!.id)
            .toSorted(
              (a, b) =>
                Number(a.transaction !== first) - Number(b.transaction !== first) ||
                a.transaction - b.transaction ||
                a.id - b.id,
            );
          const batch = found.slice(0, limit);
          let last: Position = base;
          for (const row of batch) {
            for (let key = 0; key < row.keys; key += 1) {
              if (isBehind(base, row, key)) continue;
              if (take-- === 0) {
                if (last.partial !== null) resumedInTheMiddle += 1;
                position = last;
                return false;
              }
              got.push(`${row.transaction}.${row.id}.${key}`);
              last = advance(base, seen, { ...row, keys: key + 1 });
            }
          }
          position = batch.length === found.length ? positionOf(seen) : last;
          return batch.length === found.length;
        };
        for (const act of steps) {
          if (act.kind === 'begin') {
            running.push(next);
            // Ids are assigned while transactions run, so they interleave.
            for (let i = 0; i < act.rows; i += 1) {
              const transaction = running[(i * 7) % running.length]!;
              rows.push({ transaction, id: id++, keys: 1 + (id % 3) });
            }
            next += 1;
          } else if (act.kind === 'end') {
            running = running.toSpliced(act.which % Math.max(running.length, 1), 1);
          } else read(act.take, act.limit);
        }
        running = [];
        for (let tries = 0; !read(1_000, 3); tries += 1) expect(tries).toBeLessThan(1_000);
        const all = rows.flatMap((row) =>
          Array.from({ length: row.keys }, (_, key) => `${row.transaction}.${row.id}.${key}`),
        );
        expect(got.toSorted()).toEqual(all.toSorted());
        for (const transaction of new Set(rows.map((row) => row.transaction))) {
          const own = (keys: readonly string[]) => keys.filter((key) => key.startsWith(`${transaction}.`));
          expect(own(got)).toEqual(own(all));
        }
      }),
      { numRuns: 600 },
    );
    expect(resumedInTheMiddle).toBeGreaterThan(100);
  });
});
