import { connections } from './load.ts';
import type { Plan, Turn } from './measure.ts';
import { isOurs, opponentNames, ourNames, scenarios } from './scenarios.ts';
import type { OpponentName, ScenarioName } from './scenarios.ts';

/** The median of several values, and their range. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The summary of a scenario's counted rounds. */
export interface ScenarioSummary {
  readonly scenario: ScenarioName;
  readonly opponents: readonly OpponentSummary[];
  /** Ratios of requests per second: each of ours to each other opponent in the same round. */
  readonly ratios: readonly {
    readonly of: OpponentName;
    readonly to: OpponentName;
    readonly ratio: Spread;
  }[];
}

export interface OpponentSummary {
  readonly opponent: OpponentName;
  readonly requestsPerSecond: Spread;
  /** Milliseconds, over the answers of all rounds together. */
  readonly p99: number;
  readonly answers: number;
  readonly errors: number;
  readonly rowsChanged: number;
  readonly rowsAudited: number;
}

/** Summarises the counted rounds of one scenario. Warm-up turns (round 0) are left out. */
export function summarise(scenario: ScenarioName, turns: readonly Turn[]): ScenarioSummary {
  const counted = turns.filter((turn) => turn.scenario === scenario && turn.round > 0);
  const of = (opponent: OpponentName) =>
    counted.filter((turn) => turn.opponent === opponent).toSorted((a, b) => a.round - b.round);
  const total = (its: readonly Turn[], what: 'answers' | 'errors' | 'rowsChanged' | 'rowsAudited') =>
    its.reduce((sum, turn) => sum + turn[what], 0);
  return {
    scenario,
    opponents: opponentNames.map((opponent) => {
      const its = of(opponent);
      return {
        opponent,
        requestsPerSecond: spreadOf(its.map((turn) => turn.requestsPerSecond)),
        p99: percentile(
          its.flatMap((turn) => turn.latencies),
          0.99,
        ),
        answers: total(its, 'answers'),
        errors: total(its, 'errors'),
        rowsChanged: total(its, 'rowsChanged'),
        rowsAudited: total(its, 'rowsAudited'),
      };
    }),
    ratios: ourNames.flatMap((ours) =>
      opponentNames
        .filter((opponent) => !isOurs(opponent))
        .map((to) => {
          const theirs = of(to);
          return {
            of: ours,
            to,
            ratio: spreadOf(of(ours).map((turn, i) => turn.requestsPerSecond / theirs[i]!.requestsPerSecond)),
          };
        }),
    ),
  };
}

/** Median (the mean of the middle two if their number is even), smallest and largest. NaN without values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN };
}

/** The smallest value that the given part of all values does not exceed. NaN without values. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).toSorted();
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}

/** The whole report as text for a terminal. */
export function formatReport(
  summaries: readonly ScenarioSummary[],
  plan: Plan,
  environment: readonly string[],
  problems: readonly string[],
): string {
  const lines = [
    ...environment,
    `${plan.rounds} rounds of ${plan.seconds} s each after a warm-up round that is not counted; ${connections} kept-alive connections, one`,
    'request at a time each; every answer is checked. Rows changed may exceed answers by the requests in flight at',
    `the end of a round, ${connections} at most. Rates are median (min-max) of the rounds; so are ratios, within a round.`,
  ];
  for (const { scenario, opponents, ratios } of summaries) {
    lines.push(
      '',
      scenarios[scenario].title,
      ...table([
        ['', 'req/s', '', 'p99 ms', 'answers', 'errors', 'rows changed', 'rows audited'],
        ...opponents.map((o) => [
          o.opponent,
          Math.round(o.requestsPerSecond.median).toString(),
          `(${Math.round(o.requestsPerSecond.min)}-${Math.round(o.requestsPerSecond.max)})`,
          o.p99.toFixed(1),
          ...[o.answers, o.errors, o.rowsChanged, o.rowsAudited].map(String),
        ]),
      ]),
      ...ratios.map(
        ({ of, to, ratio }) =>
          `  ${of} / ${to}: ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)})`,
      ),
    );
  }
  if (problems.length > 0) lines.push('', 'NOT VALID:', ...problems.map((problem) => `  ${problem}`));
  return `${lines.join('\n')}\n`;
}

/** Aligns the first column to the left, the others to the right. */
function table(cells: readonly (readonly string[])[]): string[] {
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells.map(
    (row) =>
      `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}`,
  );
}
