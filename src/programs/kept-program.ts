import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

/** A program that this process watches. */
export interface KeptProgram {
  readonly pid: number | undefined;
  /** The reason for its end, in words: its exit and the last lines of its output. Never rejects. */
  readonly ended: Promise<string>;
  /** Asks the program to end in order (SIGINT), and kills it five seconds later. */
  stop(): void;
}

/**
 * Runs a program that lives no longer than this process, however this process ends: a shell in between holds
 * the other end of a pipe, which the kernel closes even after `kill -9`. Windows has no such shell, so there
 * the program may outlive us.
 */
export function keepProgram(program: string, args: readonly string[], env: NodeJS.ProcessEnv): KeptProgram {
  const direct = process.platform === 'win32';
  const child: ChildProcess = direct
    ? spawn(program, args, { env, stdio: ['pipe', 'ignore', 'pipe'] })
    : spawn('sh', ['-c', script, 'keeper', program, ...args], {
        env,
        stdio: ['pipe', 'ignore', 'pipe'],
        // Detached: Ctrl-C reaches only this process, which then ends the program in order.
        detached: true,
      });
  let said = '';
  child.stderr?.on('data', (chunk) => (said = `${said}${String(chunk)}`.slice(-4_000)));
  child.stdin?.on('error', () => {}); // The program has already ended; `ended` reports it.
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
# A background program gets a new standard input, so the pipe is kept under a number of its own.
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(
  while read -r _; do :; done <&3
  kill -INT "$program"
  # The program says goodbye to the server, which may not answer.
  for _ in 1 2 3 4 5; do sleep 1; done
  kill -KILL "$program"
) 2>/dev/null &
reader=$!
wait "$program"
status=$?
kill "$reader" 2>/dev/null
exit "$status"
`;
