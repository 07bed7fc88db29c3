import { execFile } from 'node:child_process';

/** The end of a benchmark that ran as a process. */
export interface Outcome {
  /** The exit status; -1 when a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a benchmark's script, on the server at the URL or on one that it starts itself. Never rejects. */
export function runBenchmark(script: string, args: readonly string[], serverUrl?: string): Promise<Outcome> {
  const env = { ...process.env, ...(serverUrl === undefined ? {} : { TEST_DATABASE_URL: serverUrl }) };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], { env }, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode ?? -1, stdout, stderr });
    });
  });
}
