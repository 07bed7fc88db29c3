import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { debianTools } from '../support/debian-tools.ts';

// "Works as it comes" is true of the clients that a test uses, and of no others. The names are collected from the
// pages, so that a page cannot name a client without a test.

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Client {
  /** The client's name in prose; null when only code names it. */
  readonly name: RegExp | null;
  /** The client's name in code: an npm package, a Python module or a program. */
  readonly code: string;
  /** The files that use it, from `test/clients/`. */
  readonly tests: readonly string[];
  /** Matches a file that uses it. */
  readonly use: RegExp;
}

const npm = (name: RegExp | null, code: string, ...tests: string[]): Client => ({
  name,
  code,
  tests,
  use: new RegExp(`^import .* from '${code}(/[^']*)?';$`, 'm'),
});
const python = (name: RegExp | null, code: string, file: string): Client => ({
  name,
  code,
  tests: [file],
  use: new RegExp(`^(import|from) ${code}\\b|lacks\\('python3-${code}'\\)`, 'm'),
});
const program = (name: RegExp | null, code: string, file: string, use: RegExp): Client => ({
  name,
  code,
  tests: [file],
  use,
});

const clients: readonly Client[] = [
  npm(/supabase-js/, '@supabase/supabase-js', 'supabase-js.test.ts', 'browser/page.ts'),
  npm(/postgrest-js/, '@supabase/postgrest-js', 'browser/page.ts', '../rest/postgrest-js.test.ts'),
  npm(/\burql\b/, '@urql/core', 'graphql.test.ts', 'browser/page.ts'),
  npm(/Apollo(?: Client)?/, '@apollo/client', 'graphql.test.ts', 'browser/page.ts'),
  npm(/graphql-ws/, 'graphql-ws', 'graphql.test.ts', 'browser/page.ts'),
  npm(/`eventsource`/, 'eventsource', 'eventsource.test.ts', 'browser/page.ts'),
  python(/\bpsycopg\b/, 'psycopg', 'python/psycopg_quick_start.py'),
  python(/SQLAlchemy/, 'sqlalchemy', 'python/sqlalchemy_quick_start.py'),
  python(null, 'requests', 'task-worker.test.ts'),
  program(/\bcurl\b/, 'curl', 'pages.test.ts', /lacks\('curl'\)/),
  program(/\bpsql\b/, 'psql', 'pages.test.ts', /lacks\('postgresql-client'\)/),
  program(/\bpg_dump\b/, 'pg_dump', '../backup/dump.test.ts', /docs\/backup\.md/),
  program(/\bpg_restore\b/, 'pg_restore', '../backup/dump.test.ts', /docs\/backup\.md/),
];

/** Well-known clients, to notice when prose names one that `clients` lacks. */
const others =
  /fetch-event-source|graphql-codegen|graphql-request|\bRelay\b|\bHasura\b|asyncpg|postgrest-(?:py|csharp|kt|swift|dart|rs|go)|supabase-(?:py|dart|flutter|swift)|\bPrisma\b|\bDrizzle\b|\bKysely\b|\bKnex\b|Sequelize|TypeORM|\bJDBC\b|\bpgx\b|DBeaver|pgAdmin|DataGrip|Metabase|Grafana|PowerBI|\bpandas\b|\bhttpx\b|\baiohttp\b|\baxios\b|\bhttpie\b|\bwget\b|Postman|Insomnia|\bwscat\b|websocat/i;

/**
 * Commands in sh blocks that are not clients: the shell's own words, this project, and programs of the operating
 * system.
 */
const ordinary = new Set(
  'cd export set install node nohup systemctl useradd chown runuser openssl npm lightning echo grep for do done until while if then fi sleep'.split(
    ' ',
  ),
);
/** Modules of Python itself that the pages import. */
const pythonsOwn = new Set(['datetime', 'json', 'logging', 'os', 'signal', 'threading', 'time', 'traceback']);

/** Names in prose that promise less than that a client works, and what they promise. */
const promisesLess = new Map([
  [
    'docs/monitoring.md: Grafana',
    'the page says what is tested of the dashboard: its expressions, in Prometheus',
  ],
]);

interface Page {
  readonly path: string;
  readonly text: string;
}

async function readPages(): Promise<Page[]> {
  const paths = ['README.md', ...globSync('docs/**/*.md', { cwd: root })];
  return Promise.all(paths.map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })));
}

/** Names that a page's code uses: `[language, name]`. */
function namesInCode({ text }: Page): string[] {
  const ownFunctions = new Set([...text.matchAll(/\b(\w+)\(\) *\{/g)].map(([, name]) => name));
  return [...text.matchAll(/^ *```(\w+)\n(.*?)^ *```/gms)].flatMap(([, language = '', block = '']) => {
    if (language === 'python') {
      const imports = [...block.matchAll(/^(?:import (.+)|from (\w+).* import )/gm)];
      return imports
        .flatMap(([, list, from]) => (from === undefined ? (list ?? '').split(',') : [from]))
        .map((module) => /\w+/.exec(module)?.[0] ?? '')
        .filter((module) => !pythonsOwn.has(module));
    }
    if (['js', 'ts', 'jsx', 'tsx', 'javascript', 'typescript', 'html'].includes(language)) {
      return [...block.matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"]([^'"]+)['"]/g)]
        .map(([, name = '']) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name)
        .filter(
          (name) => !name.startsWith('.') && !name.startsWith('node:') && !builtinModules.includes(name),
        );
    }
    return language === 'sh' || language === 'bash'
      ? programsOf(block).filter((name) => !ownFunctions.has(name))
      : [];
  });
}

/** Programs that shell lines call, and packages that they install. */
function programsOf(block: string): string[] {
  // Quoted text is data; a line that ends with a backslash continues.
  const bare = block
    .replace(/\\\n/g, ' ')
    .replace(/"\$BACKUP_BIN_DIR\/(\w+)"/g, '$1')
    .replace(/'[^']*'|"[^"]*"/g, 'QUOTED')
    .replace(/#.*$/gm, '')
    .replace(/\$\(/g, '\n')
    .replace(/\b\w+\(\) *\{/g, '\n');
  return bare.split(/\n|\)|&&|\|\||[|;]/).flatMap((command) => {
    const words = command.trim().split(/\s+/);
    while (/^\w+=|^[}){.&]/.test(words[0] ?? '')) words.shift();
    const installed = /^(?:npm (?:install|i|add)|pip3? install)(.*)$/.exec(words.join(' '))?.[1];
    const packages = (installed ?? '').split(' ').filter((word) => /^[@a-z]/.test(word));
    const called = words[0] ?? '';
    return [...packages, ...(/^[a-z]/.test(called) && !ordinary.has(called) ? [called] : [])];
  });
}

const pages = await readPages();
const code = pages.flatMap((page) => namesInCode(page));

test("every package, module and program in the pages' code has a test", () => {
  expect([...new Set(code)].toSorted()).toEqual(
    clients
      .map((client) => client.code)
      .filter((name) => code.includes(name))
      .toSorted(),
  );
  expect(code).toEqual(expect.arrayContaining(['curl', 'psql', 'requests', '@supabase/supabase-js']));
});

test.each(clients.map((client) => [client.code, client] as const))(
  '%s, which a page names, is used by its tests',
  async (_code, { name, code: called, tests, use }) => {
    const named = pages.some(({ text }) => name?.test(text)) || code.includes(called);
    expect(named).toBe(true);
    for (const file of tests) {
      expect(await readFile(new URL(file, import.meta.url), 'utf8')).toMatch(use);
    }
  },
);

test('every client that prose names has a test', () => {
  const found = pages.flatMap(({ path, text }) => {
    const name = others.exec(text)?.[0];
    return name === undefined ? [] : [`${path}: ${name}`];
  });
  expect(found).toEqual([...promisesLess.keys()]);
});

test('CI installs each program and module of the list', () => {
  const names = debianTools.map(({ name }) => name as string);
  expect(names).toEqual(
    expect.arrayContaining([
      'curl',
      'postgresql-client',
      'python3-psycopg',
      'python3-requests',
      'python3-sqlalchemy',
    ]),
  );
});

test("every kind of name is found in a page's code", () => {
  const text = [
    '```sh\nx=$(pip install httpx); FOO=1 curl -d \'{"a": "wget"}\' \\\n  | jq .\n```',
    "```js\nimport a from '@x/y/z';\nconst b = require(\"c\");\nimport 'node:fs';\n```",
    '```python\nimport time, asyncpg\nfrom httpx import get\n```',
  ].join('\n');
  expect(namesInCode({ path: '', text })).toEqual([
    'httpx',
    'pip',
    'curl',
    'jq',
    '@x/y',
    'c',
    'asyncpg',
    'httpx',
  ]);
});
