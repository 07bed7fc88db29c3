import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { StormWorkerOptions } from './storm-worker.ts';

/** The processes of a storm. */
export interface Crowd {
  add(): void;
  /** One of them, at random, for the caller alone until it is given back; null when all are taken. */
  take(): Member | null;
  giveBack(member: Member): void;
  /** For one that was taken and killed: a new one takes its place. */
  replace(member: Member): void;
  /** Throws when one ended by itself. */
  check(): void;
  /** Lets all of them finish what they work on. */
  end(): Promise<void>;
}

/** One of them, with the name that its agents' names begin with. */
export interface Member {
  readonly name: string;
  readonly process: ChildProcess;
}

/** Makes processes of storm-worker.ts, all with these options. `end` it. */
export function makeCrowd(options: Omit<StormWorkerOptions, 'name'>): Crowd {
  const script = fileURLToPath(new URL('storm-worker.ts', import.meta.url));
  const members: Member[] = [];
  const taken = new Set<Member>();
  let made = 0;
  const check = () => {
    const ended = members.find(
      (member) => member.process.exitCode !== null || member.process.signalCode !== null,
    );
    if (ended) throw new Error(`the process ${ended.name} ended by itself; its error is above`);
  };
  const add = () => {
    const name = `p${(made += 1)}`;
    const args = [script, JSON.stringify({ ...options, name })];
    members.push({
      name,
      process: spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] }),
    });
  };
  return {
    add,
    take: () => {
      check();
      const free = members.filter((member) => !taken.has(member));
      const member = free[Math.floor(Math.random() * free.length)] ?? null;
      if (member) taken.add(member);
      return member;
    },
    giveBack: (member) => void taken.delete(member),
    replace: (member) => {
      taken.delete(member);
      members.splice(members.indexOf(member), 1);
      add();
    },
    check,
    end: async () => {
      await Promise.all(
        members.splice(0).map(async ({ process: child }) => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          child.kill('SIGCONT');
          child.kill('SIGTERM');
          await once(child, 'exit');
        }),
      );
    },
  };
}
