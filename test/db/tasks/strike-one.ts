import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Strike } from './judge-storm.ts';
import { readJournal, underWay } from './journal.ts';
import type { Crowd } from './storm-crowd.ts';

/**
 * Stops a process, and sees to it that this struck in the middle: it holds leases, works on their tasks by its own account,
 * and no statement of it is under way. Only then it is killed and replaced; or left so until its leases are gone, woken up,
 * and waited for until it has been refused. Tries others until one is found so; null when there is nothing to do any more.
 */
export async function strikeOne(
  admin: Pool,
  crowd: Crowd,
  kind: Strike['kind'],
  journal: string,
  isAnythingLeft: () => boolean,
): Promise<Strike | null> {
  while (isAnythingLeft()) {
    await sleep(Math.random() * 300);
    const victim = crowd.take();
    if (victim === null) continue;
    victim.process.kill('SIGSTOP');
    await untilIdle(admin, victim.name);
    const begun = underWay((await readJournal(journal)).filter((entry) => entry.process === victim.name));
    const { rows } = await admin.query<{ token: string }>(
      `select fencing_token as token from app_public.task_leases
       where fencing_token = any ($1) and expires_at > clock_timestamp()`,
      [begun],
    );
    const tokens = rows.map(({ token }) => token);
    if (tokens.length === 0) {
      victim.process.kill('SIGCONT');
      crowd.giveBack(victim);
      continue;
    }
    if (kind === 'kill') {
      victim.process.kill('SIGKILL');
      await once(victim.process, 'exit');
      crowd.replace(victim);
    } else {
      await until(`the leases of ${victim.name} are over`, async () => !(await anyLease(admin, tokens)));
      victim.process.kill('SIGCONT');
      await until(`${victim.name} has been refused`, async () => {
        const entries = await readJournal(journal);
        const refused = new Set(entries.filter(({ event }) => event === 'refused').map(({ token }) => token));
        return tokens.every((token) => refused.has(token));
      });
      crowd.giveBack(victim);
    }
    return { kind, process: victim.name, tokens };
  }
  return null;
}

/** A stopped process sends no further statement, so once its connections are idle they stay so. */
async function untilIdle(admin: Pool, name: string): Promise<void> {
  // What was sent before may be on its way, or its session not have had its turn yet.
  await sleep(200);
  await until(`the statements of ${name} have ended`, async () => {
    const { rowCount } = await admin.query(
      "select from pg_stat_activity where application_name = $1 and state <> 'idle'",
      [`storm ${name}`],
    );
    return rowCount === 0;
  });
}

async function anyLease(admin: Pool, tokens: readonly string[]): Promise<boolean> {
  const { rowCount } = await admin.query(
    'select from app_public.task_leases where fencing_token = any ($1)',
    [tokens],
  );
  return rowCount !== 0;
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited a minute, and it is not so that ${what}`);
    await sleep(10);
  }
}
