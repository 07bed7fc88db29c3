import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { debianPython } from '../support/debian-tools.ts';
import { docBlocks } from '../support/doc-blocks.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lacks } from '../support/lacks.ts';
import { startLightning } from '../support/lightning.ts';
import type { Started } from '../support/lightning.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The commands of a page that begin so, each with the lines that it goes on over, in order. */
async function commandsOf(page: string, beginning: string): Promise<string[]> {
  const blocks = await docBlocks(page, 'sh');
  return blocks
    .flatMap((block) => block.split(/\n(?=curl )|\n\n/))
    .filter((command) => command.startsWith(beginning))
    .map((command) => command.trim());
}

// The lines as they stand, but for the port, against the process that README starts.
describe.skipIf(process.platform === 'win32')('what the pages have people type:', () => {
  let directory: string;
  let started: Started;
  let token: string;

  const local = (text: string): string => text.replaceAll('http://127.0.0.1:3000', started.url);

  /** Runs a line in a shell and gives what it prints; curl fails where it is refused, and lets go of what streams. */
  const run = async (line: string, cwd: string): Promise<string> => {
    const bounded = local(line)
      .replace(/^curl -N/, 'curl --max-time 2 -N')
      .replace(/^curl/, 'curl --fail-with-body');
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: directory,
      DATA_DIR: join(directory, 'data'),
      TOKEN: token,
      API: `${started.url}/rest/v1`,
    };
    const child = promisify(execFile)('bash', ['-c', bounded], { cwd, env, timeout: 60_000 });
    const { stdout } = await child.catch((error: { code: unknown; stdout: string }) => {
      // 28: the time was over, which is how a stream's line ends.
      if (error.code === 28) return error;
      throw error;
    });
    return stdout;
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lightning-pages-'));
    await rename(await migratedDataDirectory(), join(directory, 'data'));
    started = await startLightning({ DATA_DIR: join(directory, 'data') });
    const [line = ''] = await commandsOf('README.md', 'TOKEN=');
    token = '';
    token = (await run(`${line}; echo "$TOKEN"`, root)).trim();
  });
  afterAll(async () => {
    await started?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  describe.skipIf(lacks('curl'))('curl', () => {
    test("makes README's queries, and follows its stream", async () => {
      const answers: string[] = [];
      for (const command of await commandsOf('README.md', 'curl ')) {
        answers.push(await run(command, directory));
      }
      expect(answers).toHaveLength(4);
      expect(JSON.parse(answers[0] ?? '')).toMatchObject([{ id: 'writer', name: 'Writer' }]);
      expect(JSON.parse(answers[1] ?? '')).toEqual([
        { id: 'writer', name: 'Writer', status: 'idle', tasks: [] },
      ]);
      expect(JSON.parse(answers[2] ?? '')).toMatchObject({ data: { agents: { totalCount: 1 } } });
      expect(answers[3]).toContain('event: ready\n');
    });

    test('makes the requests of the reference of REST', async () => {
      const answers: string[] = [];
      for (const command of await commandsOf('docs/rest.md', 'curl ')) {
        answers.push(await run(command, directory));
      }
      expect(answers).toHaveLength(4);
      expect(JSON.parse(answers[1] ?? '')).toMatchObject([{ description: 'read the sources' }]);
      expect(answers[3]).toMatch(/^next-cursor: \S/i);
    });
  });

  test.skipIf(lacks('postgresql-client'))('psql reads the embedded database while it runs', async () => {
    const lines = await commandsOf('README.md', 'psql ');
    expect(lines).toHaveLength(1);
    expect(await run(lines[0] ?? '', directory)).toMatch(
      /^ +id +\| +name +\| status\s*\n(?:.*\n)*\(\d+ rows?\)/,
    );
  });

  test.skipIf(lacks('python3-requests'))('the worker in Python works a task off', async () => {
    const [worker = '', ...others] = await docBlocks('docs/tasks.md', 'python');
    expect(others).toEqual([]);
    const given = `TOKEN = ${JSON.stringify(token)}\ndef work(task, gone): return {"seen": task["context"]}\n`;
    const python = spawn(debianPython, ['-c', given + local(worker)]);
    let complaint = '';
    python.stderr.on('data', (data) => (complaint += String(data)));
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    try {
      const body = JSON.stringify({ description: 'sum up', context: { page: 7 } });
      const enqueued = await fetch(`${started.url}/rest/v1/rpc/enqueue_task`, {
        method: 'POST',
        headers,
        body,
      });
      const { id } = (await enqueued.json()) as { id: string };
      await expect
        .poll(
          async () => {
            const url = `${started.url}/rest/v1/tasks?id=eq.${id}&select=status,result`;
            return [await (await fetch(url, { headers })).json(), complaint];
          },
          { timeout: 20_000, interval: 100 },
        )
        .toEqual([[{ status: 'completed', result: { seen: { page: 7 } } }], '']);
    } finally {
      python.kill();
    }
  });
});
