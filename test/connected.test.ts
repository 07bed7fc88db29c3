import { readFile, readdir } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { configOptions, fileVariable, formerNames, secretNames } from '../src/config/options.ts';
import { parseConfig } from '../src/config/parse-config.ts';

// Everything on offer is connected: code to a process, an option to its reader, a name in a document to its object.

const root = fileURLToPath(new URL('..', import.meta.url));

/** The entry points of processes; every other file is reached from one of these. */
const beginnings = ['src/cli.ts', 'src/embedded/engine/engine-worker.ts'];

/** Exports that nothing in src/ uses, and why they exist. */
const usedOutside = new Map([
  ['src/cli.ts main', 'bin/lightning calls it'],
  [
    'src/postgrest/options-table.ts optionsTable',
    'writes a table of docs/postgrest.md, which a test compares',
  ],
  ['src/graphql/pg-service.ts PgContext', 'types what PostGraphile gives to plans'],
]);

/** Files that no process loads, and why they exist. */
const loadedOutside = new Map([
  ['src/postgrest/options-table.ts', 'writes a table of docs/postgrest.md, which a test compares'],
]);

/** Columns that no code of this project reads, and why they exist. */
const unusedColumns = new Map([
  [
    'ops.backups.recorded_at',
    'has a default, and tells readers in SQL when the second witness first saw the backup',
  ],
]);

let sources: ReadonlyMap<string, string>;
let prose: ReadonlyMap<string, string>;
beforeAll(async () => {
  sources = await read(await filesOf('src', '.ts'));
  prose = await read([
    'README.md',
    'migrations/README.md',
    'sql/README.md',
    'src/embedded/README.md',
    'test/README.md',
    'docker-compose.yml',
    ...(await filesOf('docs', '.md')),
  ]);
});

test('every file of src/ is loaded by a process', () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { target } of importsOf(file)) visit(target);
  };
  beginnings.forEach(visit);
  const unreached = [...sources.keys()].filter(
    (file) => !reached.has(file) && !file.endsWith('.d.ts') && !loadedOutside.has(file),
  );
  expect(reached.size).toBeGreaterThan(200);
  expect(
    unreached,
    'no process loads it: import it where it is used (a job: in src/jobs/registry.ts), or remove it',
  ).toEqual([]);
});

test('every export of src/ is used in src/, and not only by tests', () => {
  const used = new Set<string>();
  for (const file of sources.keys()) {
    for (const { target, names } of importsOf(file)) {
      for (const name of names ?? exportsOf(target)) used.add(`${target} ${name}`);
    }
  }
  const unused: string[] = [];
  for (const [file, text] of sources) {
    for (const name of exportsOf(file)) {
      const inside = [...code(text).matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length;
      if (inside < 2 && !used.has(`${file} ${name}`)) unused.push(`${file} ${name}`);
    }
  }
  expect(
    unused.filter((each) => !usedOutside.has(each)),
    'use it, or remove it',
  ).toEqual([]);
  expect(
    [...usedOutside.keys()].filter((each) => !unused.includes(each)),
    'these are used now: remove them from the list',
  ).toEqual([]);
});

test('every option is read into the configuration', () => {
  const readers = [...sources]
    .filter(([file]) => file.startsWith('src/config/') && file !== 'src/config/options.ts')
    .map(([, text]) => code(text))
    .join('\n');
  expect(
    configOptions.map(({ name }) => name).filter((name) => !readers.includes(`'${name}'`)),
    'a file of src/config/ reads it, or it is removed from src/config/options.ts',
  ).toEqual([]);
});

test('every key of the configuration is read outside of it', () => {
  // src/config/ declares the keys and fills them in, which uses none of them.
  const elsewhere = [...sources]
    .filter(([file]) => !file.startsWith('src/config/'))
    .map(([, text]) => code(text))
    .join('\n');
  const config = parseConfig({
    DATABASE_URL: 'postgres://a:b@c/d',
    JWT_SECRET: 'x'.repeat(32),
    EMBEDDINGS_URL: 'https://e.example/v1',
    BACKUP_STORE: 's3://bucket/prefix',
    BACKUP_ENCRYPTION_KEY: 'none',
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'secret',
  });
  const keys = new Set<string>();
  const collect = (value: object): void => {
    for (const [key, inner] of Object.entries(value)) {
      keys.add(key);
      if (typeof inner === 'object' && inner !== null && Object.getPrototypeOf(inner) === Object.prototype) {
        collect(inner as object);
      }
    }
  };
  collect(config);
  expect(keys.size).toBeGreaterThan(40);
  expect(
    [...keys].filter((key) => !new RegExp(`\\b${key}\\b`).test(elsewhere)),
    'code outside of src/config/ uses it, or it is removed from src/config/',
  ).toEqual([]);
});

test('every variable that a document or a message names exists', () => {
  const known = new Set<string>([
    ...configOptions.map(({ name }) => name),
    ...secretNames.map(fileVariable),
    ...Object.keys(formerNames),
  ]);
  // Error codes, and a placeholder of sql/.
  const codes = sources.get('src/errors.ts')?.match(/\b[A-Z_]+_[A-Z]+\b/g) ?? [];
  const others = new Set([...codes, 'DATABASE_NAME']);
  const pattern =
    /(?<![A-Z_.])(?:DB|DATABASE|BACKUP|MIGRATE|WORKER|REST|EMBEDDINGS|ALERT|JWT|AWS|HTTP)_[A-Z0-9_]*[A-Z0-9]\b/g;
  const named = namesIn(pattern).filter(({ name }) => !known.has(name) && !others.has(name));
  expect(named).toEqual([]);
});

test('every command that a document or a message names exists', async () => {
  const bindings = [...sources].flatMap(([file, text]) => (file.startsWith('src/commands/') ? text : []));
  const commands = new Set(
    [...bindings.join('\n').matchAll(/\.command\('([a-z]+)/g)].map(([, name]) => name),
  );
  expect(commands.size).toBeGreaterThan(15);
  const named = namesIn(/(?:`|npx |npm run (?:--silent )?|run |use |: )lightning (?:-- )?([a-z]+)/g);
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter(({ name }) => !commands.has(name))).toEqual([]);
});

test('every path that a document names exists', async () => {
  const missing: string[] = [];
  let count = 0;
  for (const [file, text] of prose) {
    for (const [, path = ''] of text.matchAll(
      /(?<![\w/.-])((?:src|test|docs|sql|migrations|bin)\/[\w./-]+\.(?:ts|md|sql|py|json))\b/g,
    )) {
      // The path is an example.
      if (path.includes('/x/y.') || path.includes('/notes/')) continue;
      count += 1;
      const places = [join(root, path), join(root, dirname(file), path)];
      const found = await Promise.all(
        places.map((place) =>
          readFile(place).then(
            () => true,
            () => false,
          ),
        ),
      );
      if (!found.includes(true)) missing.push(`${file}: ${path}`);
    }
  }
  expect(count).toBeGreaterThan(20);
  expect(missing).toEqual([]);
});

test('every object of the schema that a document names exists', async () => {
  const sql = [
    ...(await read(await filesOf('sql', '.sql'))).values(),
    ...(await read(await filesOf('migrations', '.sql'))).values(),
  ].join('\n');
  const named = [...prose].flatMap(([file, text]) =>
    [...text.matchAll(/\b(?:ops|app_public|app_private|audit)\.(?!md\b)[a-z_]+\b/g)].map(([name]) => ({
      file,
      name,
    })),
  );
  // A page may create an example table of its own.
  const examples = new Set(
    [...prose.values()].flatMap((text) =>
      [...text.matchAll(/create (?:table|or replace function) ([a-z_.]+)/g)].map(([, name]) => name),
    ),
  );
  expect(named.length).toBeGreaterThan(20);
  const isThere = (name: string) =>
    examples.has(name) || new RegExp(`\\b${name.replace('.', '\\.')}\\b`).test(sql);
  expect(named.filter(({ name }) => !isThere(name))).toEqual([]);
});

test('every column of the schema is written or read by a function, a view, a policy or the code', async () => {
  // sql/schema.sql names every column without using it.
  const files = (await filesOf('sql', '.sql')).filter((file) => file !== 'sql/schema.sql');
  const statements = [...(await read(files)).values()]
    .join('\n')
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/^comment on [\s\S]*?;$/gm, '');
  const used = [statements, ...[...sources.values()].map(code)].join('\n');
  const columns = columnsOf((await read(await filesOf('migrations', '.sql'))).values());
  expect(columns.length).toBeGreaterThan(200);
  const unused = columns.filter(
    (column) => !unusedColumns.has(column) && !new RegExp(`\\b${column.split('.')[2]}\\b`).test(used),
  );
  expect(unused, 'use it, or drop it').toEqual([]);
});

/** `schema.table.column` of every table that migrations create, without tables that they drop again. */
function columnsOf(migrations: Iterable<string>): readonly string[] {
  const columns = new Set<string>();
  for (const text of migrations) {
    for (const [, table, body = ''] of text.matchAll(
      /^create table (?:if not exists )?([a-z_]+\.[a-z_]+) \(\n([\s\S]*?)^\)/gm,
    )) {
      for (const [, column = ''] of body.matchAll(/^ {2}([a-z_]+) [a-z]/gm)) {
        if (!/^(constraint|primary|unique|check|foreign|exclude|like)$/.test(column))
          columns.add(`${table}.${column}`);
      }
    }
    for (const [, table, changes = ''] of text.matchAll(
      /^alter table (?:only )?([a-z_]+\.[a-z_]+)([\s\S]*?);$/gm,
    )) {
      for (const [, change, column] of changes.matchAll(
        /\b(add|drop) column (?:if (?:not )?exists )?([a-z_]+)/g,
      )) {
        if (change === 'add') columns.add(`${table}.${column}`);
        else columns.delete(`${table}.${column}`);
      }
    }
  }
  return [...columns];
}

interface Import {
  /** Path relative to the root. */
  readonly target: string;
  /** Null means all names. */
  readonly names: readonly string[] | null;
}

function importsOf(file: string): readonly Import[] {
  const text = sources.get(file) ?? '';
  const targetOf = (specifier: string) => relative(root, resolve(root, dirname(file), specifier));
  const found: Import[] = [];
  for (const [, named, all, specifier = ''] of text.matchAll(
    /(?:import|export)\s+(?:type\s+)?(?:\{([^}]*)\}|(\*(?:\s+as\s+\w+)?))\s+from\s+'(\.[^']+)'/g,
  )) {
    const names = named?.split(',').map(
      (part) =>
        part
          .trim()
          .replace(/^type /, '')
          .split(/\s+as\s+/)[0] ?? '',
    );
    found.push({ target: targetOf(specifier), names: all === undefined ? (names ?? []) : null });
  }
  for (const [, specifier = ''] of text.matchAll(/import\('(\.[^']+)'\)/g)) {
    found.push({ target: targetOf(specifier), names: null });
  }
  return found;
}

function exportsOf(file: string): readonly string[] {
  const text = sources.get(file) ?? '';
  return [
    ...text.matchAll(
      /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|const|let|interface|type|enum) (\w+)/gm,
    ),
  ].map(([, name = '']) => name);
}

/** Matches of the pattern in documents, and in code outside comments: the first group, or else the whole match. */
function namesIn(pattern: RegExp): { file: string; name: string }[] {
  return [...prose, ...[...sources].map(([file, text]) => [file, code(text)] as const)].flatMap(
    ([file, text]) => [...text.matchAll(pattern)].map(([all, name]) => ({ file, name: name ?? all })),
  );
}

/** The source without comments, as far as they can be recognised without a parser. */
function code(text: string): string {
  return text.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/^\s*\/\/.*$/gm, '');
}

async function filesOf(folder: string, extension: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { recursive: true });
  return entries
    .filter((entry) => entry.endsWith(extension))
    .map((entry) => join(folder, entry))
    .toSorted();
}

async function read(files: readonly string[]): Promise<ReadonlyMap<string, string>> {
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(join(root, file), 'utf8')] as const)),
  );
}
