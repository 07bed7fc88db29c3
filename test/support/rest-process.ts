import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compileCache } from './compile-cache.ts';

const bin = fileURLToPath(new URL('../../bin/lightning', import.meta.url));

/** An entry of the process's log. */
export interface LoggedEntry {
  readonly level: string;
  readonly event: string;
  readonly message: string;
  readonly address?: string;
}

/** A running `lightning rest`. */
export interface RestProcess {
  readonly pid: number;
  /** Its log so far. */
  readonly entries: readonly LoggedEntry[];
  /** Its standard output so far, which is the access log. */
  output(): string;
  /** The next entry of this event that no earlier call returned. Rejects when the process ends first. */
  next(event: string): Promise<LoggedEntry>;
  kill(signal: NodeJS.Signals): void;
  /** Sends the signal, if there is one, and returns the exit status. */
  ended(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `lightning rest` with this environment and nothing else from the machine. */
export function startRestProcess(env: Record<string, string>, args: readonly string[] = []): RestProcess {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [bin, 'rest', ...args], {
    env: { PATH, HOME, NODE_COMPILE_CACHE: compileCache, ...env },
  });
  const entries: LoggedEntry[] = [];
  const given = new Map<string, number>();
  let output = '';
  let rest = '';
  let status: number | null | undefined;
  let changed = () => {};
  let change = new Promise<void>((resolve) => (changed = resolve));
  const notify = () => {
    changed();
    change = new Promise((resolve) => (changed = resolve));
  };
  child.stdout.on('data', (data) => (output += String(data)));
  child.stderr.on('data', (data) => {
    const lines = (rest + String(data)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      entries.push(
        line.startsWith('{') ? (JSON.parse(line) as LoggedEntry) : { level: '', event: '', message: line },
      );
    }
    notify();
  });
  const end = new Promise<number | null>((resolve) =>
    child.on('close', (code) => {
      status = code;
      notify();
      resolve(code);
    }),
  );
  return {
    pid: child.pid ?? 0,
    entries,
    output: () => output,
    next: async (event) => {
      for (;;) {
        const nth = given.get(event) ?? 0;
        const found = entries.filter((entry) => entry.event === event)[nth];
        if (found) {
          given.set(event, nth + 1);
          return found;
        }
        if (status !== undefined) {
          const log = entries.map(({ message }) => message).join('\n');
          throw new Error(`it ended with ${status} before ${event}\n${log}`);
        }
        await change;
      }
    },
    kill: (signal) => void child.kill(signal),
    ended: (signal) => {
      if (signal && status === undefined) child.kill(signal);
      return end;
    },
  };
}
