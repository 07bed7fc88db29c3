import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../support/server.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = 'sql/README.md';
const entries = 'test/support/access-entries.ts';
/** The limit of each test. All three took 106 s on two cores that four other runs shared. */
const timeoutMs = 300_000;

/** A block of the page: a file to write, or commands to run. */
interface Block {
  readonly language: string;
  readonly path: string | undefined;
  readonly text: string;
}

// A newcomer does exactly what the page says, in a copy of the project.
describe.skipIf(noServer)('a contributor who follows sql/README.md to the letter', () => {
  let copy: string;

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'lightning-page-'));
    // When the commands run as root, their server runs as nobody.
    await chmod(copy, 0o755);
    const left = new Set(['.git', '.cache', 'node_modules', 'data', 'dist']);
    for (const entry of await readdir(root))
      if (!left.has(entry))
        await cp(join(root, entry), join(copy, entry), { recursive: true, verbatimSymlinks: true });
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  test(
    'has a table and a function, committed and tested',
    async () => {
      const blocks = readBlocks(await readFile(join(root, page), 'utf8'));
      expect(blocks.map(({ language, path }) => path ?? language)).toEqual([
        'current.sql',
        'sql/notes/notes.sql',
        entries,
        'sh',
        'sql/notes/count_notes.sql',
        'current.sql',
        'sh',
      ]);
      for (const { path, text } of blocks) {
        if (path === undefined) await run(copy, text);
        else if (path === entries) await addEntry(join(copy, path), text);
        else if (path === 'current.sql') await appendFile(join(copy, path), text);
        else {
          await mkdir(join(copy, dirname(path)), { recursive: true });
          await writeFile(join(copy, path), text);
        }
      }
      const committed = await readdir(join(copy, 'migrations/committed'));
      expect(committed.filter((file) => /notes/.test(file))).toEqual([
        expect.stringMatching(/^\d{6}-notes\.sql$/),
        expect.stringMatching(/^\d{6}-count_notes\.sql$/),
      ]);
      expect(await readFile(join(copy, 'sql/schema.sql'), 'utf8')).toContain(
        'create table app_public.notes (',
      );
    },
    timeoutMs,
  );

  test(
    'may take the newest migration back, and finds current.sql with its includes',
    async () => {
      await run(copy, 'npm run db:uncommit');
      expect(await readFile(join(copy, 'current.sql'), 'utf8')).toContain('--!include notes/count_notes.sql');
      expect(await readdir(join(copy, 'migrations/committed'))).not.toContainEqual(
        expect.stringMatching(/count_notes/),
      );
    },
    timeoutMs,
  );

  test(
    'finds current.sql unchanged when a commit fails',
    async () => {
      await appendFile(
        join(copy, 'current.sql'),
        '--!include agents/agents.sql\ncreate table app_public.agents ();\n',
      );
      const before = await readFile(join(copy, 'current.sql'), 'utf8');
      await expect(run(copy, 'npm run db:commit -- --message twice')).rejects.toThrow(
        'relation "agents" already exists',
      );
      expect(await readFile(join(copy, 'current.sql'), 'utf8')).toBe(before);
    },
    timeoutMs,
  );
});

/** The blocks above the rules, without the indentation of their lists. */
function readBlocks(text: string): Block[] {
  const [steps = ''] = text.split('\n## Rules');
  return [...steps.matchAll(/^( *)```(\w+)(?: (\S+))?\n(.*?)^\1```$/gms)].map(
    ([, indent = '', language = '', path, body = '']) => ({
      language,
      path,
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  );
}

async function addEntry(file: string, entry: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const end = text.lastIndexOf('\n];');
  expect(end).toBeGreaterThan(0);
  await writeFile(file, `${text.slice(0, end + 1)}${entry}${text.slice(end + 1)}`);
}

/** Runs the lines one after the other. Rejects with the output when one fails. */
async function run(directory: string, lines: string): Promise<void> {
  // The environment without variables of this test run, and without the user's databases.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/DATABASE_URL$|^VITEST/.test(name)),
  );
  const { binDirectory } = readyServer();
  const child = spawn('sh', ['-e', '-c', lines], {
    cwd: directory,
    // A command that outlived the test would be left running.
    timeout: timeoutMs - 5_000,
    // The commands find the programs of this run's server, instead of downloading their own.
    env: {
      ...env,
      PATH: [...(binDirectory === undefined ? [] : [binDirectory]), env['PATH']].join(delimiter),
    },
  });
  let output = '';
  child.stdout.on('data', (data) => (output += String(data)));
  child.stderr.on('data', (data) => (output += String(data)));
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`${lines}ended with ${status}:\n${output.slice(-20_000)}`);
}
