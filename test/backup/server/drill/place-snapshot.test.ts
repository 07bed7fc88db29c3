import { describe, expect, test } from 'vitest';
import { parseLsn } from '../../../../src/backup/server/wal/wal-position.ts';
import { parseCommits, placeSnapshot } from '../../../../src/backup/server/drill/place-snapshot.ts';

const commit = (transactionId: number, lsn: string) => ({ transactionId, lsn: parseLsn(lsn) });
const end = parseLsn('0/500');

describe('the place of a snapshot in the WAL', () => {
  test('is before the first commit that it does not see', () => {
    const commits = [commit(741, '0/100'), commit(745, '0/200'), commit(744, '0/300'), commit(750, '0/400')];
    expect(placeSnapshot('744:750:744', commits, end)).toBe(parseLsn('0/300'));
    expect(placeSnapshot('750:750:', commits, end)).toBe(parseLsn('0/400'));
  });

  test('is the end of the stretch when it sees all of it, or when there is none', () => {
    expect(placeSnapshot('750:750:', [commit(741, '0/100'), commit(749, '0/200')], end)).toBe(end);
    expect(placeSnapshot('750:750:', [], end)).toBe(end);
  });

  test('is nowhere when a later commit was seen before an earlier one', () => {
    const commits = [commit(744, '0/300'), commit(745, '0/320')];
    expect(placeSnapshot('744:750:744', commits, end)).toBeNull();
  });

  test('is found where the 32 bits of transaction ids wrap around', () => {
    // 4,294,967,300 is 4 in 32 bits; 4,294,967,290 is before the wrap-around.
    const commits = [commit(4_294_967_290, '0/100'), commit(4, '0/200'), commit(6, '0/300')];
    expect(placeSnapshot('4294967301:4294967301:', commits, end)).toBe(parseLsn('0/300'));
  });

  test('refuses a text that is not a snapshot', () => {
    expect(() => placeSnapshot('744', [], end)).toThrow(
      '"744" is not a snapshot; one looks like 10:20:10,14',
    );
  });
});

describe('commits of a dump of the WAL', () => {
  const dump = [
    'rmgr: Transaction len (rec/tot):     34/    34, tx:        745, lsn: 0/01522B48, prev 0/01522B08, desc: COMMIT 2026-11-27 13:24:50.123456 UTC',
    'rmgr: Transaction len (rec/tot):     34/    34, tx:        746, lsn: 0/01522B70, prev 0/01522B48, desc: ABORT 2026-11-27 13:24:50.123456 UTC',
    'rmgr: Transaction len (rec/tot):    405/   405, tx:        747, lsn: A/00022C00, prev 0/01522B70, desc: COMMIT 2026-11-27 13:24:50 UTC; inval msgs: catcache 7',
    '',
  ];

  test('are read with their positions, and without transactions that were rolled back', () => {
    expect(parseCommits(dump.join('\n'))).toEqual([commit(745, '0/1522B48'), commit(747, 'A/22C00')]);
  });

  test('of two phases are refused', () => {
    const line = dump[0]!.replace('COMMIT', 'COMMIT_PREPARED');
    expect(() => parseCommits(line)).toThrow('two-phase commit');
  });
});
