/**
 * Milliseconds of a clock that only goes forward and is the same in all threads. Timeouts are measured with it,
 * because setting a wall clock would end statements that have just begun.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
