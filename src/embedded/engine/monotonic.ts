/**
 * Milliseconds of a clock that only goes forward, the same in all threads: what timeouts are measured with. A wall clock that is
 * set would end statements that have just begun.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
