import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandUser } from './command.ts';

/** A program that lives at most as long as this process, and the directory that it works in. */
export interface Kept {
  /** Settles when the program has ended. */
  readonly ended: Promise<unknown>;
  /** The program's exit code; null while it runs, and when a signal ended it. */
  exitCode(): number | null;
  hasEnded(): boolean;
  /** The last lines written by the program, or by an earlier one in this directory. */
  log(): Promise<string>;
  /** Shuts the program down in order and removes the directory. May be called more than once. */
  stop(): Promise<void>;
  /** Lets this process end even while the program runs. */
  unref(): void;
  /** Whether `stop` was called. */
  isStopping(): boolean;
}

/** The program for `keep`, and the way to run it. */
export interface KeepOptions {
  /** Belongs to `user`. Removed when this process ends before the program does. */
  readonly directory: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly user: CommandUser | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Runs a program so that neither it nor its directory outlives this process, however this process ends. Its
 * output goes to the file `log` in the directory. A program that ends by itself leaves the directory in place.
 */
export async function keep({ directory, program, args, user, env }: KeepOptions): Promise<Kept> {
  const logPath = join(directory, 'log');
  const logFile = await open(logPath, 'a');
  const child = spawn('sh', ['-c', keeperScript, 'keeper', directory, program, ...args], {
    cwd: directory,
    env,
    // Detached: Ctrl-C reaches only this process, which then stops the program in order.
    detached: true,
    stdio: ['pipe', logFile.fd, logFile.fd],
    ...user,
  });
  const ended = once(child, 'exit').catch(() => undefined);
  await logFile.close();
  const stdin = child.stdin as NonNullable<ChildProcess['stdin']> & { unref(): void };
  stdin.on('error', () => {}); // The keeper has already ended; `ended` reports it.

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
 * Runs a program for as long as its own standard input is open, then shuts it down and removes the directory.
 * Arguments: the directory, the program, the program's arguments. Exits with the program's status.
 *
 * The process that starts it holds the other end of that pipe, so the kernel closes the pipe even when that
 * process is killed with SIGKILL and can run no more code. `setpriv --pdeathsig` would do the same, but only on
 * Linux, and it watches the thread that started it and not the process.
 */
const keeperScript = `
directory=$1
shift
# A background program gets a new standard input, so the pipe is kept under a number of its own.
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(
  while read -r _; do :; done <&3
  : >"$directory/stopping"
  # To Postgres INT means a fast shutdown. If a WAL receiver does not let go, QUIT makes it an immediate one.
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
