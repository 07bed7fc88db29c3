import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

/** A program under our eyes. */
export interface KeptProgram {
  readonly pid: number | undefined;
  /** Why it ended, in words: its exit and the last lines of what it said. Never rejects. */
  readonly ended: Promise<string>;
  /** Asks it to end in order (SIGINT), and ends it five seconds later. */
  stop(): void;
}

/**
 * Runs a program that lives no longer than this process, however this process ends: a shell between them holds the other end of a
 * pipe, which the kernel closes even after `kill -9`. On Windows, which has no such shell, it may outlive us.
 */
export function keepProgram(program: string, args: readonly string[], env: NodeJS.ProcessEnv): KeptProgram {
  const direct = process.platform === 'win32';
  const child: ChildProcess = direct
    ? spawn(program, args, { env, stdio: ['pipe', 'ignore', 'pipe'] })
    : spawn('sh', ['-c', script, 'keeper', program, ...args], {
        env,
        stdio: ['pipe', 'ignore', 'pipe'],
        // Not the terminal's business: Ctrl-C reaches this process, which then ends the program in order.
        detached: true,
      });
  let said = '';
  child.stderr?.on('data', (chunk) => (said = `${said}${String(chunk)}`.slice(-4_000)));
  child.stdin?.on('error', () => {}); // It is gone already; `ended` tells.
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => {
      const last = said.trim().split('\n').slice(-3).join('; ');
      resolve(`${signal ?? `exit status ${code}`}${last === '' ? '' : `: ${last}`}`);
    });
  });
  return {
    pid: child.pid,
    ended,
    stop: () => {
      if (direct) child.kill('SIGINT');
      else child.stdin?.end();
    },
  };
}

const script = `
# What runs in the background has its standard input replaced, so the pipe gets a number of its own.
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(
  while read -r _; do :; done <&3
  kill -INT "$program"
  # It says goodbye to the server, which may not answer.
  for _ in 1 2 3 4 5; do sleep 1; done
  kill -KILL "$program"
) 2>/dev/null &
reader=$!
wait "$program"
status=$?
kill "$reader" 2>/dev/null
exit "$status"
`;
