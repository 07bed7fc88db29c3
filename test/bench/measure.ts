import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { BenchDatabases } from './databases.ts';
import { makeRandom } from './keys.ts';
import { connections, putLoad } from './load.ts';
import type { Opponents } from './opponents.ts';
import { isOurs, opponentNames, scenarios } from './scenarios.ts';
import type { OpponentName, Question, ScenarioName } from './scenarios.ts';

/** One opponent under load in one round. */
export interface Turn {
  readonly scenario: ScenarioName;
  readonly opponent: OpponentName;
  /** Counted from 1; round 0 is the warm-up, of which only errors count. */
  readonly round: number;
  readonly requestsPerSecond: number;
  /** Milliseconds of each answer. */
  readonly latencies: readonly number[];
  readonly answers: number;
  readonly errors: number;
  /** The number of tasks that were added to the database. */
  readonly rowsChanged: number;
  /** Rows of the audit log about them; 0 for opponents without one. */
  readonly rowsAudited: number;
  /** The fault of this turn, for people to read; null when there is none. */
  readonly problem: string | null;
}

/** The length and number of turns, and the scenarios. */
export interface Plan {
  readonly rounds: number;
  readonly seconds: number;
  readonly scenarios: readonly ScenarioName[];
}

/** The number of questions that each connection cycles through. */
const questionsPerConnection = 400;

/** A longer warm-up is useless: by then everything is compiled and cached. */
const maxWarmUpSeconds = 4;

/**
 * Puts load on each opponent in turn, round after round, so that a temporary disturbance of the machine affects all;
 * each round starts with another opponent. Calls `onTurn` after each turn; returns all turns, the warm-up included.
 */
export async function measure(
  plan: Plan,
  databases: BenchDatabases,
  opponents: Opponents,
  onTurn: (turn: Turn) => void,
): Promise<Turn[]> {
  const turns: Turn[] = [];
  const protectedAdmin = new Client({ connectionString: databases.adminUrls.protected });
  const plainAdmin = new Client({ connectionString: databases.adminUrls.plain });
  await Promise.all([protectedAdmin.connect(), plainAdmin.connect()]);
  try {
    for (let round = 0; round <= plan.rounds; round += 1) {
      for (const scenario of plan.scenarios) {
        for (let i = 0; i < opponentNames.length; i += 1) {
          const opponent = opponentNames[(i + round) % opponentNames.length]!;
          const admin = isOurs(opponent) ? protectedAdmin : plainAdmin;
          const seconds = round === 0 ? Math.min(plan.seconds, maxWarmUpSeconds) : plan.seconds;
          const turn = await takeTurn({ scenario, opponent, round, seconds, opponents, admin });
          turns.push(turn);
          onTurn(turn);
        }
      }
    }
  } finally {
    await Promise.all([protectedAdmin.end(), plainAdmin.end()]);
  }
  return turns;
}

async function takeTurn(options: {
  readonly scenario: ScenarioName;
  readonly opponent: OpponentName;
  readonly round: number;
  readonly seconds: number;
  readonly opponents: Opponents;
  readonly admin: Client;
}): Promise<Turn> {
  const { scenario, opponent, round, seconds, opponents, admin } = options;
  const random = makeRandom(round);
  const { identities, urls } = opponents;
  const questionsOf = (connection: number): Question[] =>
    Array.from({ length: questionsPerConnection }, (_, i) => {
      // Each connection uses five of the 100 identities.
      const identity = identities[(connection + i * connections) % identities.length]!;
      return scenarios[scenario].ask(opponent, identity, random);
    });
  const before = await countRows(admin);
  const load = await putLoad(urls[opponent], seconds, questionsOf);
  const after = await countWhenQuiet(admin);
  const changed = { tasks: after.tasks - before.tasks, audited: after.audited - before.audited };
  const problem = whatIsWrong(scenario, opponent, load, changed);
  const { requestsPerSecond, latencies, answers, errors } = load;
  return {
    scenario,
    opponent,
    round,
    requestsPerSecond,
    latencies,
    answers,
    errors,
    rowsChanged: changed.tasks,
    rowsAudited: changed.audited,
    problem,
  };
}

interface RowCounts {
  readonly tasks: number;
  readonly audited: number;
}

async function countRows(admin: Client): Promise<RowCounts> {
  const { rows } = await admin.query<RowCounts>(`
    select (select count(*)::int from app_public.tasks) as tasks,
           (select count(*)::int from audit.log where table_name = 'app_public.tasks') as audited`);
  return rows[0]!;
}

/** Waits for requests that the load generator dropped at its end and the server may still be working on. */
async function countWhenQuiet(admin: Client): Promise<RowCounts> {
  let last = await countRows(admin);
  for (;;) {
    await sleep(100);
    const now = await countRows(admin);
    if (now.tasks === last.tasks && now.audited === last.audited) return now;
    last = now;
  }
}

/**
 * Each answer to an insert must be one row, and no other request may change any. Up to one row per connection more than
 * answers is right: those inserts were in flight when the load ended.
 */
function whatIsWrong(
  scenario: ScenarioName,
  opponent: OpponentName,
  { answers, errors, firstWrong }: { answers: number; errors: number; firstWrong: string | null },
  changed: RowCounts,
): string | null {
  if (errors > 0) return `${errors} errors, the first: ${firstWrong ?? 'no answer'}`;
  if (answers === 0) return 'no answers';
  const [least, most] = scenarios[scenario].insertsRows ? [answers, answers + connections] : [0, 0];
  if (changed.tasks < least || changed.tasks > most) {
    return `${changed.tasks} rows changed by ${answers} answers; from ${least} to ${most} are right`;
  }
  const audited = isOurs(opponent) ? changed.tasks : 0;
  if (changed.audited !== audited) return `${changed.audited} rows audited, ${audited} are right`;
  return null;
}
