import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';

/** A shell in which the commands of a page run one after the other, as in a terminal. `close` it. */
export interface PageShell {
  /** Runs the lines and gives what they printed to stdout. Rejects when one of them failed, or took longer than 20 seconds. */
  run(lines: string): Promise<string>;
  /** The value of a variable of the shell; empty when it is not set. */
  valueOf(variable: string): Promise<string>;
  close(): void;
}

/** How a line of a page is run in place of how a person runs it. */
const prelude = `
set -o pipefail
trap 'failed="$BASH_COMMAND"' ERR
# Fails where it is refused, and lets go of a stream after two seconds.
curl() {
  local seconds=20 status
  if [[ " $* " == *" -N "* ]]; then seconds=2; fi
  command curl --fail-with-body --max-time $seconds "$@"
  status=$?
  echo
  if [[ $seconds == 2 && $status == 28 ]]; then status=0; fi
  return $status
}
`;
const end = '@@ end of the block @@';

/** Opens one in a directory. `programs` come before those of the machine; of `env` nothing else than what it has is passed on. */
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
    // A newline of its own, for what does not end with one.
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
    close: () => shell.kill(),
  };
}
