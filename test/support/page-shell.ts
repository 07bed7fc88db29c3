import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';

/** A shell that runs the commands of a page one after the other, as in a terminal. `close` it. */
export interface PageShell {
  /**
   * Runs the lines and returns what they printed to stdout. Rejects when one of them failed or took longer than 20
   * seconds.
   */
  run(lines: string): Promise<string>;
  /** The value of a variable of the shell; empty when it is unset. */
  valueOf(variable: string): Promise<string>;
  /** The output of the running lines on stdout so far. */
  printed(): string;
  close(): void;
}

/** Replaces curl, so that a page's line ends and fails without a person watching it. */
const prelude = `
set -o pipefail
trap 'failed="$BASH_COMMAND"' ERR
# Fails when the request is refused, and leaves a stream after five seconds.
curl() {
  local seconds=20 status
  if [[ " $* " == *" -N "* ]]; then seconds=5; fi
  command curl --fail-with-body --max-time $seconds "$@"
  status=$?
  echo
  if [[ $seconds == 5 && $status == 28 ]]; then status=0; fi
  return $status
}
`;
const end = '@@ end of the block @@';

/** Opens a shell in a directory. `programs` come first in its PATH; its environment has `env` and nothing else. */
export function openPageShell(
  cwd: string,
  programs: string,
  env: Readonly<Record<string, string>>,
): PageShell {
  const path = `${programs}${delimiter}${process.env['PATH'] ?? ''}`;
  const shell = spawn('bash', { cwd, env: { ...env, PATH: path } });
  let printed = '';
  let complaint = '';
  let heard = (): void => {};
  shell.stdout.on('data', (data) => {
    printed += String(data);
    heard();
  });
  shell.stderr.on('data', (data) => (complaint += String(data)));
  shell.stdin.write(prelude);

  const run = async (lines: string): Promise<string> => {
    printed = '';
    complaint = '';
    // The first newline ends an output that does not end with one itself.
    shell.stdin.write(`failed=\n${lines}\nprintf '\\n%s%s\\n' '${end}' "$failed"\n`);
    const answer = new RegExp(`^(.*)\\n${end}(.*)\\n$`, 's');
    const [, output = '', failed = ''] = await new Promise<RegExpExecArray>((resolve, reject) => {
      const giveUp = (why: string) => reject(new Error(`${why}:\n${lines}\n${printed}${complaint}`));
      const ended = () => giveUp('the shell ended');
      const tooLong = setTimeout(giveUp, 20_000, 'it took too long');
      heard = () => {
        const found = answer.exec(printed);
        if (!found) return;
        clearTimeout(tooLong);
        shell.off('close', ended);
        resolve(found);
      };
      shell.once('close', ended);
    });
    if (failed !== '') throw new Error(`this failed: ${failed}\n${output}${complaint}`);
    return output;
  };
  return {
    run,
    valueOf: async (variable) => (await run(`printf %s "$${variable}"`)).trim(),
    printed: () => printed,
    close: () => shell.kill(),
  };
}
