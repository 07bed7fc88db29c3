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
 * Reads a Postgres setting that is a time, as Postgres does: `90s`, `1.5 min`, `500` (milliseconds), `1e3`, `0x10`, and
 * `010`, which is octal. Milliseconds, rounded as Postgres rounds them. Null: the setting is not a time, or is below zero.
 */
export function millisecondsOf(setting: string): number | null {
  const form = /^\s*\+?(0x[0-9a-f]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-zA-Z]*)\s*$/i;
  const [, digits, unit = ''] = form.exec(setting) ?? [];
  const factor = millisecondsPer[unit === '' ? 'ms' : unit];
  // After a zero come octal digits.
  if (digits === undefined || factor === undefined || /^0[0-7]*[89]/.test(digits)) return null;
  const exact = (/^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits)) * factor;
  const below = Math.floor(exact);
  // Half goes to the even number.
  const rounded = exact - below === 0.5 ? below + (below % 2) : Math.round(exact);
  return Number.isFinite(rounded) ? rounded : null;
}
