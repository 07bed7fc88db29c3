import { execFile } from 'node:child_process';
import { OperationalError } from '../operational-error.ts';

/** A user to run programs as, in the shape that `spawn` takes. */
export interface CommandUser {
  readonly uid: number;
  readonly gid: number;
}

/** Options of a command. By default it runs here, as this process's user and with our environment. */
export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Run as this user; only root can. */
  readonly user?: CommandUser | undefined;
  /** Time after which the command is ended; default: one minute. */
  readonly timeoutMs?: number;
  /** Ends the command when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A command could not be started, failed, or took too long. The message ends with the last lines that it
 * printed.
 */
export class CommandError extends OperationalError {
  override readonly name = 'CommandError';
  /** The command's output until then; empty if it did not start. */
  readonly stdout: string;
  readonly stderr: string;
  /** Whether the program is not installed. */
  readonly notFound: boolean;

  constructor(message: string, stdout: string, stderr: string, notFound: boolean) {
    super(message);
    this.stdout = stdout;
    this.stderr = stderr;
    this.notFound = notFound;
  }
}

/**
 * Runs a program without a shell and without input, in the root directory, and resolves to its standard output.
 * Throws CommandError.
 */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const timeout = options.timeoutMs ?? 60_000;
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      {
        // The checkout may be out of reach for `user`, and a program that cannot read its own directory fails.
        cwd: '/',
        timeout,
        maxBuffer: 64 * 1024 * 1024,
        ...(options.env && { env: options.env }),
        ...options.user,
        ...(options.signal && { signal: options.signal }),
      },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        const notFound = error.code === 'ENOENT';
        const what = notFound
          ? `program ${program} not found`
          : error.killed
            ? `${program} took longer than ${timeout / 1000} s`
            : `${program} failed (${error.signal ?? error.code})`;
        reject(
          new CommandError(
            [what, lastLines(stderr || stdout)].filter(Boolean).join(': '),
            stdout,
            stderr,
            notFound,
          ),
        );
      },
    );
    child.stdin?.end();
  });
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-5).join('\n');
}
