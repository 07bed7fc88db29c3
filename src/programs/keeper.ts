import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandUser } from './command.ts';

/** A program that lives at most as long as this process, and the directory it works in. */
export interface Kept {
  /** Settles when the program has ended. */
  readonly ended: Promise<unknown>;
  /** The program's exit code; null while it runs, and when a signal ended it. */
  exitCode(): number | null;
  hasEnded(): boolean;
  /** The last lines that the program, or an earlier one in this directory, wrote. */
  log(): Promise<string>;
  /** Ends the program in order and removes the directory. May be called more than once. */
  stop(): Promise<void>;
  /** From now on the program alone does not keep this process alive. */
  unref(): void;
  /** Whether `stop` was called. */
  isStopping(): boolean;
}

/** What `keep` runs. */
export interface KeepOptions {
  /** Belongs to `user`; removed when this process ends before the program does. */
  readonly directory: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly user: CommandUser | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Runs a program such that neither it nor its directory outlives this process, however this process ends. What it
 * writes goes to the file `log` in the directory. A program that ends by itself leaves the directory.
 */
export async function keep({ directory, program, args, user, env }: KeepOptions): Promise<Kept> {
  const logPath = join(directory, 'log');
  const logFile = await open(logPath, 'a');
  const child = spawn('sh', ['-c', keeperScript, 'keeper', directory, program, ...args], {
    cwd: directory,
    env,
    // A session of its own: Ctrl-C reaches this process only, which then stops the program in order.
    detached: true,
    stdio: ['pipe', logFile.fd, logFile.fd],
    ...user,
  });
  const ended = once(child, 'exit').catch(() => undefined);
  await logFile.close();
  const stdin = child.stdin as NonNullable<ChildProcess['stdin']> & { unref(): void };
  stdin.on('error', () => {}); // The keeper is gone already; `ended` tells.

  let stopping: Promise<void> | undefined;
  const stop = async () => {
    child.ref();
    stdin.end();
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  return {
    ended,
    exitCode: () => child.exitCode,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined,
    log: async () => {
      const text = await readFile(logPath, 'utf8').catch(() => '');
      return text.trim().split('\n').slice(-20).join('\n');
    },
    stop: () => (stopping ??= stop()),
    unref: () => {
      child.unref();
      stdin.unref();
    },
    isStopping: () => stopping !== undefined,
  };
}

/**
 * Runs a program for as long as its own standard input is open, then shuts it down and removes the directory. Arguments:
 * the directory, the program, the program's arguments. Exits as the program does.
 *
 * Whoever starts it holds the other end of that pipe, so the kernel closes it even when that process is killed with
 * SIGKILL and no code of it runs any more. `setpriv --pdeathsig` would do the same, but only on Linux, and it looks at
 * the thread that started it rather than at the process.
 */
const keeperScript = `
directory=$1
shift
# What runs in the background has its standard input replaced, so the pipe gets a number of its own.
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(
  while read -r _; do :; done <&3
  : >"$directory/stopping"
  # To Postgres a fast shutdown; where a receiver of WAL does not let go, an immediate one.
  kill -INT "$program"
  for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; done
  kill -QUIT "$program"
) 2>/dev/null &
reader=$!
wait "$program"
status=$?
kill "$reader" 2>/dev/null
if [ -e "$directory/stopping" ]; then rm -rf "$directory"; fi
exit "$status"
`;
