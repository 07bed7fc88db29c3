import type { JournalEntry } from './journal.ts';

/** What the database holds after the storm. Tokens are bigints, as text. */
export interface StormFacts {
  readonly tasks: readonly {
    readonly id: string;
    readonly status: string;
    readonly attempt: number;
    readonly resultToken: string | null;
  }[];
  /** By task and attempt. */
  readonly attempts: readonly {
    readonly task: string;
    readonly attempt: number;
    readonly token: string;
    readonly outcome: string;
    /** Name of the process that held it. */
    readonly process: string;
  }[];
  readonly leases: number;
  /** Task of every change to `completed` in the audit log. */
  readonly loggedCompletions: readonly string[];
}

/** A process that was stopped while it held these leases and worked on their tasks. */
export interface Strike {
  readonly kind: 'kill' | 'stall';
  readonly process: string;
  readonly tokens: readonly string[];
}

/**
 * What is wrong with a storm: nothing when each of the tasks was completed exactly once, by the holder of the token that its
 * result names, and whoever came late was refused. The database's account is held against the claimers' own.
 */
export function judgeStorm(
  expectedTasks: number,
  facts: StormFacts,
  journal: readonly JournalEntry[],
  strikes: readonly Strike[],
): string[] {
  const problems: string[] = [];
  const must = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem);
  };
  must(facts.tasks.length === expectedTasks, `there are ${facts.tasks.length} tasks, not ${expectedTasks}`);
  must(facts.leases === 0, `${facts.leases} leases are left`);

  const attemptsOf = Map.groupBy(facts.attempts, ({ task }) => task);
  const byToken = new Map(facts.attempts.map((attempt) => [attempt.token, attempt]));
  must(byToken.size === facts.attempts.length, 'two attempts have the same token');
  const logged = Map.groupBy(facts.loggedCompletions, (task) => task);
  const told = Map.groupBy(journal, ({ event }) => event);
  const toldCompletions = Map.groupBy(told.get('completed') ?? [], ({ task }) => task);
  const killed = new Set(strikes.filter(({ kind }) => kind === 'kill').map((strike) => strike.process));

  for (const { id, status, attempt, resultToken } of facts.tasks) {
    must(status === 'completed', `task ${id} is ${status}`);
    const attempts = attemptsOf.get(id) ?? [];
    must(
      attempts.length === attempt && attempts.every((one, i) => one.attempt === i + 1),
      `task ${id} says ${attempt} attempts, and has ${attempts.map((one) => one.attempt).join(', ') || 'none'}`,
    );
    must(
      attempts.every((one, i) => i === 0 || BigInt(one.token) > BigInt(attempts[i - 1]!.token)),
      `the tokens of task ${id} do not grow`,
    );
    const completed = attempts.filter(({ outcome }) => outcome === 'completed');
    must(completed.length === 1, `task ${id} was completed ${completed.length} times`);
    must(
      logged.get(id)?.length === 1,
      `the audit log has ${logged.get(id)?.length ?? 0} completions of task ${id}`,
    );
    const [by] = completed;
    must(resultToken === by?.token, `the result of task ${id} is of ${resultToken}, not of ${by?.token}`);
    const accepted = toldCompletions.get(id) ?? [];
    must(accepted.length <= 1, `${accepted.length} claimers were told that they completed task ${id}`);
    // Who was killed between the commit and its answer did not hear of it.
    if (accepted.length === 0)
      must(by !== undefined && killed.has(by.process), `nobody was told that task ${id} is complete`);
    else
      must(accepted[0]!.token === by?.token, `task ${id} was completed by ${by?.token}, not as it was told`);
  }

  for (const { token, task } of told.get('refused') ?? []) {
    const outcome = byToken.get(token)?.outcome;
    must(outcome === 'expired', `task ${task} was refused to ${token}, whose attempt is ${outcome}`);
  }
  const refused = new Set((told.get('refused') ?? []).map(({ token }) => token));
  for (const { kind, process, tokens } of strikes) {
    must(tokens.length > 0, `${process} held nothing`);
    for (const token of tokens) {
      const outcome = byToken.get(token)?.outcome;
      must(outcome === 'expired', `${process} held ${token} (${kind}), whose attempt is ${outcome}`);
      if (kind === 'stall')
        must(refused.has(token), `${process} came back late with ${token}, and was not refused`);
    }
  }
  return problems;
}
