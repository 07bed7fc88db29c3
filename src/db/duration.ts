/** Milliseconds in each unit of time, under Postgres' name for it. */
const millisecondsPer: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Reads a Postgres setting that is a time, such as `90s`, `1.5 min` or `500` (milliseconds). Null: the setting
 * is not a time.
 */
export function millisecondsOf(setting: string): number | null {
  const [, amount, unit = 'ms'] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)?\s*$/.exec(setting) ?? [];
  const factor = millisecondsPer[unit];
  return amount === undefined || factor === undefined ? null : Math.round(Number(amount) * factor);
}
