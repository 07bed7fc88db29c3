import { describe, expect, test } from 'vitest';
import { CallerLeft, DatabaseUnavailable } from '../../src/db/database.ts';
import { TenantShares } from '../../src/db/tenant-shares.ts';

describe("a tenant's share of the connections", () => {
  test('has room for its most, and the next waits until one leaves, in the order in which they came', async () => {
    const shares = new TenantShares(2, 5_000);
    expect([shares.enter('a', null), shares.enter('a', null), shares.enter('b', null)]).toEqual([
      null,
      null,
      null,
    ]);
    const order: number[] = [];
    const waits = [1, 2].map((number) => shares.enter('a', null)!.then(() => order.push(number)));
    shares.leave('a');
    await waits[0];
    expect(order).toEqual([1]);
    shares.leave('a');
    await Promise.all(waits);
    expect(order).toEqual([1, 2]);
    // Two are still in use.
    expect(shares.enter('a', null)).not.toBeNull();
  });

  test('is not waited for longer than a connection, nor by who has left', async () => {
    const shares = new TenantShares(1, 20);
    shares.enter('a', null);
    const leaving = new AbortController();
    const left = shares.enter('a', leaving.signal);
    const late = shares.enter('a', null);
    leaving.abort();
    await expect(left).rejects.toBeInstanceOf(CallerLeft);
    await expect(late).rejects.toBeInstanceOf(DatabaseUnavailable);
    await expect(shares.enter('a', AbortSignal.abort())).rejects.toBeInstanceOf(CallerLeft);
    // Nobody waits any more, so the place is free.
    shares.leave('a');
    expect(shares.enter('a', null)).toBeNull();
  });
});
