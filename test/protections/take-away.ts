import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Protection } from './protections.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What the tests said of a database that lacks a protection. */
export interface Verdict {
  /** Whether a test turned red. */
  readonly noticed: boolean;
  /** The names of the tests that did, or the end of the output when nothing ran. */
  readonly by: readonly string[];
}

/**
 * Runs the tests of a protection on a server whose database lacks it (test/support/template.ts), until one is red: first those of its
 * subject, then the others. Throws when the tests did not run: then nothing was shown.
 */
export async function takeAway({ removal, tests }: Protection, serverUrl?: string): Promise<Verdict> {
  const [first, ...others] = tests;
  const verdict = await runWithout(removal, first === undefined ? [] : [first], serverUrl);
  return verdict.noticed || others.length === 0 ? verdict : runWithout(removal, others, serverUrl);
}

async function runWithout(
  removal: string,
  tests: readonly string[],
  serverUrl: string | undefined,
): Promise<Verdict> {
  const child = spawn(process.execPath, ['test/run.ts', '--maxWorkers=1', '--bail=1', ...tests], {
    cwd: root,
    env: {
      ...process.env,
      TEST_RETRIES: '0',
      LIGHTNING_TEST_WITHOUT: removal,
      ...(serverUrl === undefined ? {} : { TEST_DATABASE_URL: serverUrl }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += String(chunk);
    });
  const [status] = (await once(child, 'close')) as [number | null];
  // eslint-disable-next-line no-control-regex -- vitest's colours begin with one
  const text = output.replaceAll(/\u001B\[[0-9;]*m/g, '');
  const by = [...new Set([...text.matchAll(/^ FAIL {2}(.*)$/gm)].map(([, name = '']) => name))];
  const ran = /\d+ passed|\d+ failed/.test(text);
  if (!ran || (status !== 0 && by.length === 0))
    throw new Error(`the tests did not run:\n${text.slice(-2_000)}`);
  return { noticed: status !== 0, by };
}
