import { globSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signToken } from '../../src/auth/jwt.ts';
import { readOrMakeSecret } from '../../src/auth/secret-file.ts';
import { compileCache } from '../support/compile-cache.ts';
import { blocksOf } from '../support/doc-blocks.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { startEmbeddingsServer } from '../support/embeddings-server.ts';
import type { EmbeddingsServer } from '../support/embeddings-server.ts';
import { lacks } from '../support/lacks.ts';
import { startLightning } from '../support/lightning.ts';
import type { Started } from '../support/lightning.ts';
import { isAnswer, isRun, PageReader } from '../support/page-reader.ts';
import { openPageShell } from '../support/page-shell.ts';

// Every block of README and docs/ runs unchanged, except for the port, against the process that README starts. An
// answer that a page shows is compared with the real one. A block that does not run here has a comment before it that
// says why, or which test runs it.

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root }).toSorted()];
const blocks = new Map(await Promise.all(pages.map(async (page) => [page, await blocksOf(page)] as const)));

const readme = await readFile(join(root, 'README.md'), 'utf8');

test('every block of README and docs runs, is an answer, or has a reason to be neither', async () => {
  const all = [...blocks.values()].flat();
  expect(all.length).toBeGreaterThan(50);
  const unsaid: string[] = [];
  for (const list of blocks.values()) {
    for (const [at, block] of list.entries()) {
      const answersOne = isAnswer(block) && list.slice(0, at).some((earlier) => isRun(earlier));
      const isSaid = ['not run', 'run by', 'from'].includes(block.mark?.kind ?? '');
      const isDrawing = block.mark?.kind === 'a drawing' && block.language === '';
      if (!isRun(block) && !answersOne && !isSaid && !isDrawing) unsaid.push(block.place);
    }
  }
  expect(unsaid).toEqual([]);
});

test('the table of README links every page of docs, and only those', () => {
  const linked = [...readme.matchAll(/^\| \[(docs\/[\w/]+\.md)\]\(\1\) /gm)].map(([, page]) => page);
  expect(linked.toSorted()).toEqual(pages.filter((page) => page !== 'README.md'));
});

test('every link of README and docs leads to a file, and to a heading of it', async () => {
  const dead: string[] = [];
  let count = 0;
  for (const page of pages) {
    const text = await readFile(join(root, page), 'utf8');
    for (const [link, target = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)) {
      count += 1;
      const file = target === '' ? join(root, page) : join(root, dirname(page), target);
      const found = await readFile(file, 'utf8').catch(() => null);
      if (found === null || (anchor !== undefined && !headingsOf(found).includes(anchor)))
        dead.push(`${page}: ${link}`);
    }
  }
  expect(count).toBeGreaterThan(60);
  expect(dead).toEqual([]);
});

test("the test that is said to run a block names the block's page", async () => {
  for (const { place, mark } of [...blocks.values()].flat()) {
    if (mark?.kind !== 'run by') continue;
    const text = await readFile(join(root, mark.file), 'utf8');
    const [page = ''] = place.split(':');
    expect(text.includes(page), `${place}: ${mark.file} does not name ${page}`).toBe(true);
  }
});

test('a block that is said to be from a file is in that file', async () => {
  for (const { place, mark, code } of [...blocks.values()].flat()) {
    if (mark?.kind !== 'from') continue;
    const text = await readFile(join(root, mark.file), 'utf8');
    expect(text.includes(code), `${place}: ${mark.file} has it differently`).toBe(true);
  }
});

describe.skipIf(process.platform === 'win32')('the commands of the pages:', () => {
  let directory: string;
  let embeddings: EmbeddingsServer;
  let started: Started;
  let database: Client;
  let secret: string;

  const tokenOf = (tenantId: string) =>
    signToken(secret, { role: 'service', tenantId, subject: 'reader', lifetimeSeconds: 3600 }, new Date());

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lightning-pages-'));
    const data = join(directory, 'data');
    await rename(await migratedDataDirectory(), data);
    embeddings = await startEmbeddingsServer();
    started = await startLightning({ DATA_DIR: data, EMBEDDINGS_URL: embeddings.url });
    secret = await readOrMakeSecret(data);
    database = new Client({ host: data, user: 'postgres', database: 'postgres' });
    await database.connect();
    // A checkout, as far as the pages need one, with the package installed.
    const bin = join(root, 'bin/lightning');
    const scripts = { lightning: `node ${bin}` };
    await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module', scripts }));
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    await mkdir(join(directory, 'bin'));
    await writeFile(
      join(directory, 'bin/lightning'),
      `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`,
    );
    await chmod(join(directory, 'bin/lightning'), 0o755);
  });
  afterAll(async () => {
    await database?.end();
    await started?.stop();
    await embeddings?.close();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  describe.skipIf(lacks('curl') || lacks('postgresql-client'))('each in a tenant of its own', () => {
    test.each(pages.filter((page) => blocks.get(page)?.some((block) => isRun(block))))('%s', async (page) => {
      // README uses the tenant that exists from the start.
      const tenant = page === 'README.md' ? 'default' : /(\w+)\.md$/.exec(page)![1]!;
      if (tenant !== 'default') await database.query('select ops.create_tenant($1, $1)', [tenant]);
      const shell = openPageShell(directory, join(directory, 'bin'), {
        HOME: directory,
        NODE_COMPILE_CACHE: compileCache,
        DATA_DIR: join(directory, 'data'),
        EMBEDDINGS_URL: embeddings.url,
        TOKEN: await tokenOf(tenant),
        API: `${started.url}/rest/v1`,
      });
      const reader = new PageReader(shell, { url: started.url, database, directory });
      try {
        const all = blocks.get(page) ?? [];
        for (const block of all) await reader.read(block);
        expect(reader.end()).toBe(all.filter((block) => isRun(block)).length);
      } finally {
        reader.close();
      }
    });
  });

  test('the table of docs/retention.md lists every policy, and how long it keeps rows', async () => {
    const { rows } = await database.query<{ policy: string; days: number | null }>(
      'select policy, extract(day from keep)::integer as days from ops.retention_policies order by policy',
    );
    const inWords = (days: number | null) =>
      days === null ? 'for ever' : ({ 365: 'a year', 730: 'two years' }[days] ?? `${days} days`);
    const page = await readFile(join(root, 'docs/retention.md'), 'utf8');
    const written = [...page.matchAll(/^\| `([\w.]+)` +\|[^|]+\| (.+?) +\|$/gm)];
    expect(written.map(([, policy, kept]) => `${policy}: ${kept}`).toSorted()).toEqual(
      rows.map(({ policy, days }) => `${policy}: ${inWords(days)}`).toSorted(),
    );
  });

  test('the table of alerts in docs/worker.md lists every check', async () => {
    const { rows } = await database.query<{ kind: string }>(
      `select substr(relname, 7) as kind from pg_class
       where relnamespace = 'ops'::regnamespace and relkind = 'v' and relname like 'check\\_%'`,
    );
    const page = await readFile(join(root, 'docs/worker.md'), 'utf8');
    const written = [...page.matchAll(/^\| `(\w+)` +\| (?:warning|error)/gm)].map(([, kind]) => kind);
    // `checks` is the alert that a check itself fails, and the worker's own statements raise `server_troubles`.
    const kinds = [...rows.map(({ kind }) => kind), 'checks', 'server_troubles'];
    expect(written.toSorted()).toEqual(kinds.toSorted());
  });
});

/** Anchors of a page's headings, as GitHub makes them. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}
