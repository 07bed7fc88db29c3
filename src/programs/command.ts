import { execFile } from 'node:child_process';
import { OperationalError } from '../operational-error.ts';

/** A user to run programs as, in the shape that `spawn` takes. */
export interface CommandUser {
  readonly uid: number;
  readonly gid: number;
}

/** How to run a command other than as ourselves, here and with our environment. */
export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Run as this user; only root can. */
  readonly user?: CommandUser | undefined;
  /** The command is ended after this; default one minute. */
  readonly timeoutMs?: number;
  /** Ends the command. */
  readonly signal?: AbortSignal | undefined;
}

/** A command that could not be started, failed, or took too long. The message ends with the last lines it printed. */
export class CommandError extends OperationalError {
  override readonly name = 'CommandError';
  /** What the command wrote until then; empty when it did not start. */
  readonly stdout: string;
  readonly stderr: string;
  /** Whether no program of that name is installed. */
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
          ? `no program ${program} found`
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
