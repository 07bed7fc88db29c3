import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CommandError, runCommand } from '../../src/programs/command.ts';

let project: string;

// The reporter runs in a project of its own with this project's vitest: only a real run can prove it right.
beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'agent-lightning-reporter-test-'));
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(project, 'node_modules'));
  await write(
    'vitest.config.ts',
    `export default { test: { root: ${JSON.stringify(project)}, globalSetup: ['./setup.ts'] } };`,
  );
  await write('setup.ts', 'export const setup = () => {};');
});

afterEach(() => rm(project, { recursive: true }));

test('the last line of a run counts what passed, failed and was skipped', async () => {
  await write(
    'mixed.test.ts',
    `import { expect, test } from 'vitest';
     test('one', () => { expect(1).toBe(1); });
     test('two', () => { expect(1).toBe(1); });
     test('three', () => { expect(1).toBe(2); });
     test.skipIf(true)('four', () => {});`,
  );
  expect(await lastLine()).toBe('2 passed, 1 failed, 1 skipped');
});

test('a file that cannot be loaded, a failed hook and a stray error count as failures', async () => {
  await write('unloadable.test.ts', `import './not-there.ts';`);
  await write(
    'hook.test.ts',
    `import { beforeAll, describe, test } from 'vitest';
     describe('with a hook that fails', () => {
       beforeAll(() => { throw new Error('no'); });
       test('never run', () => {});
     });`,
  );
  await write(
    'stray.test.ts',
    `import { test } from 'vitest';
     test('passes, but leaves a rejection behind', () => { void Promise.reject(new Error('stray')); });`,
  );
  expect(await lastLine()).toBe('1 passed, 3 failed, 1 skipped');
});

test('a run whose global setup fails counts one failure, and no test', async () => {
  await write('one.test.ts', `import { test } from 'vitest'; test('never run', () => {});`);
  await write('setup.ts', `export const setup = () => { throw new Error('no server'); };`);
  expect(await lastLine()).toBe('0 passed, 1 failed, 0 skipped');
});

test('a run without a server repeats at its end what it skipped, and why', async () => {
  await write('one.test.ts', `import { test } from 'vitest'; test.skipIf(true)('needs a server', () => {});`);
  await write(
    'setup.ts',
    `export const setup = (project) => { project.provide('server', { kind: 'unavailable', reason: 'the cable is out' }); };`,
  );
  const lines = await run();
  expect(lines.at(-1)).toBe('0 passed, 0 failed, 1 skipped');
  expect(lines.slice(-10).join('\n')).toMatch(
    /SKIPPED: every test that needs a real Postgres server[^]*Why: the cable is out/,
  );
});

test('a file that failed is run again from its start, in a process of its own, and what passes only then is named', async () => {
  await write(
    'flaky.test.ts',
    `import { existsSync, writeFileSync } from 'node:fs';
     import { beforeAll, expect, test } from 'vitest';
     const mark = new URL('mark', import.meta.url);
     let prepared = 0;
     beforeAll(() => { prepared += 1; });
     test('before it', () => { expect(prepared).toBe(1); });
     test('the second time', () => {
       const again = existsSync(mark);
       writeFileSync(mark, '');
       if (!again) void Promise.reject(new Error('left behind'));
       expect(again).toBe(true);
     });`,
  );
  await write(
    'red.test.ts',
    `import { expect, test } from 'vitest'; test('never', () => { expect(1).toBe(2); });`,
  );
  await write('green.test.ts', `import { test } from 'vitest'; test('at once', () => {});`);
  const lines = await run({ TEST_RETRIES: '1' });
  expect(lines.slice(-2)).toEqual([
    'FLAKY: passed when it was run again: flaky.test.ts > the second time',
    '3 passed, 1 failed, 0 skipped',
  ]);
  expect(lines.filter((line) => /^\d+ passed/.test(line))).toHaveLength(1);
  expect(lines.filter((line) => line.startsWith('Run again: '))).toEqual([
    expect.stringMatching(/^Run again: (flaky\.test\.ts, red|red\.test\.ts, flaky)\.test\.ts$/),
  ]);
});

test('the run has the status of its last line', async () => {
  await write(
    'flaky.test.ts',
    `import { existsSync, writeFileSync } from 'node:fs';
     import { expect, test } from 'vitest';
     const mark = new URL('mark', import.meta.url);
     test('every second time', () => {
       const again = existsSync(mark);
       writeFileSync(mark, '');
       expect(again).toBe(true);
     });`,
  );
  await expect(
    runCommand(process.execPath, command(), { env: { ...process.env, TEST_RETRIES: '0' } }),
  ).rejects.toMatchObject({
    stdout: expect.stringContaining('0 passed, 1 failed, 0 skipped'),
  });
  await rm(join(project, 'mark'));
  await runCommand(process.execPath, command(), { env: { ...process.env, TEST_RETRIES: '1' } });
});

function write(name: string, text: string): Promise<void> {
  return writeFile(join(project, name), text);
}

async function lastLine(): Promise<string | undefined> {
  return (await run()).at(-1);
}

/** The non-empty lines of standard output. */
async function run(env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const output = await runCommand(process.execPath, command(), {
    env: { ...process.env, TEST_RETRIES: '0', ...env },
  }).catch((error: CommandError) => error.stdout);
  return output.split('\n').filter(Boolean);
}

function command(): string[] {
  return [
    fileURLToPath(new URL('../run.ts', import.meta.url)),
    '--config',
    join(project, 'vitest.config.ts'),
  ];
}
