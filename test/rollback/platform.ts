import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compileCache } from '../support/compile-cache.ts';
import { freePort } from '../support/free-port.ts';
import { strongSecret } from '../support/token-keys.ts';

const bin = fileURLToPath(new URL('../../bin/lightning', import.meta.url));

/** A line of a page that runs, as in a terminal of an operator. */
export interface Line {
  readonly process: ChildProcessWithoutNullStreams;
  /** What it printed so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves once stdout matches. Rejects with the output when it ends first, or after a minute. */
  says(pattern: RegExp): Promise<void>;
  readonly status: Promise<number | null>;
}

/** A machine of the platform: a directory where the operator is, and the address that clients know. */
export interface Platform {
  readonly directory: string;
  readonly dataDirectory: string;
  /** The address of the API, whichever process serves it. */
  readonly url: string;
  /** Runs a line of a page in a shell. */
  run(line: string): Line;
  /** Ends what `run` started as a Ctrl-C does, with all of its processes. */
  end(line: Line, signal?: NodeJS.Signals): Promise<void>;
  close(): Promise<void>;
}

/** Makes the machine. `env` names a server, or nothing. The caller closes it. */
export async function openPlatform(
  env: Readonly<Record<string, string>>,
  data: string | null,
): Promise<Platform> {
  const directory = await mkdtemp(path.join(tmpdir(), 'rollback-'));
  const dataDirectory = data ?? path.join(directory, 'data');
  await mkdir(path.join(directory, 'bin'));
  const program = path.join(directory, 'bin/lightning');
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`);
  await chmod(program, 0o755);
  const port = await freePort();
  const lines = new Set<Line>();
  const run = (text: string): Line => {
    const child = spawn('sh', ['-c', text], {
      cwd: directory,
      env: {
        PATH: `${directory}/bin${path.delimiter}${process.env['PATH'] ?? ''}`,
        HOME: directory,
        NODE_COMPILE_CACHE: compileCache,
        DATA_DIR: dataDirectory,
        PORT: String(port),
        JWT_SECRET: strongSecret,
        BACKUP_STORE: path.join(directory, 'store'),
        ...env,
      },
      detached: true,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text_) => (stdout += String(text_)));
    child.stderr.on('data', (text_) => (stderr += String(text_)));
    const status = once(child, 'close').then(([code]) => code as number | null);
    let ended = false;
    void status.then(() => (ended = true));
    const line: Line = {
      process: child,
      stdout: () => stdout,
      stderr: () => stderr,
      status,
      says: async (pattern) => {
        const until = performance.now() + 60_000;
        while (!pattern.test(stdout)) {
          if (ended || performance.now() > until)
            throw new Error(`"${text}" never said ${pattern}:\n${stdout}${stderr}`);
          await pause(20);
        }
      },
    };
    lines.add(line);
    return line;
  };
  const end = async (line: Line, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    try {
      process.kill(-line.process.pid!, signal);
    } catch {
      // It has ended.
    }
    await line.status;
  };
  return {
    directory,
    dataDirectory,
    url: `http://127.0.0.1:${port}`,
    run,
    end,
    close: async () => {
      for (const line of lines) await end(line, 'SIGKILL');
      await rm(directory, { recursive: true, force: true });
    },
  };
}
