import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

/**
 * The architecture, from the ground up: a room may import itself and the lines above its own, and nothing else.
 * A room is a folder of src/, or a file that stands there alone.
 */
const floors: readonly (readonly string[])[] = [
  // The base class of errors, which any code may throw.
  ['operational-error.ts'],
  // General code that knows nothing of this project.
  'bounded-map.ts errors.ts exact-json.ts log.ts on-progress.ts refused-value.ts repeat.ts request-budget.ts status-line.ts storable-text.ts too-deep.ts utc-moment.ts version.ts within.ts programs'.split(
    ' ',
  ),
  // Code that talks to Postgres, under settings that its caller provides.
  ['db', 'ending.ts', 'environment.ts', 'say-while-slow.ts'],
  // The sealed audit log, authentication, the configuration, the catalog as data, the embedded server, and a fresh server's setup.
  ['audit', 'auth', 'config', 'embedded', 'schema-cache', 'setup'],
  ['http', 'embeddings', 'backup', 'import', 'database-choice.ts'],
  // The REST dialect, what subscribers are told, and exports.
  ['rest', 'live', 'export', 'quarantine.ts'],
  // The doors GraphQL and PostgREST's own program, retention, imports of tables by column name, and the way back.
  ['graphql', 'postgrest', 'retention', 'table-import', 'rollback'],
  // The server with all doors of the API, and all logins of the configuration.
  ['api', 'open-database.ts'],
  ['jobs', 'own-session.ts'],
  // What is measured of all of these.
  ['monitoring'],
  ['commands'],
  ['cli.ts'],
];

/** An import of one file by another, as paths below src/. */
interface Import {
  readonly from: string;
  readonly to: string;
}

function importsOfSrc(): Import[] {
  return globSync('src/**/*.ts').flatMap((file) =>
    [
      ...readFileSync(file, 'utf8').matchAll(
        /^(?:import|export)\s(?:[^'"]*?\sfrom\s+)?'(\.{1,2}\/[^']+)'|\bimport\('(\.[^']+)'\)/gm,
      ),
    ].map(([, statically, dynamically]) => ({
      from: path.relative('src', file),
      to: path.relative('src', path.join(path.dirname(file), statically ?? dynamically ?? '')),
    })),
  );
}

const roomOf = (file: string): string => file.split('/')[0] ?? file;
const floorOf = (file: string): number => floors.findIndex((rooms) => rooms.includes(roomOf(file)));

/** Imports that go uphill, or sideways on the same floor. */
function uphill(imports: readonly Import[]): string[] {
  return imports
    .filter(({ from, to }) => roomOf(from) !== roomOf(to) && floorOf(from) <= floorOf(to))
    .map(({ from, to }) => `${from} (floor ${floorOf(from)}) must not import ${to} (floor ${floorOf(to)})`);
}

/** Files that import each other, directly or through others: each group by the names of its files. */
function circles(imports: readonly Import[]): string[] {
  const targets = Map.groupBy(imports, ({ from }) => from);
  const reached = (start: string): Set<string> => {
    const seen = new Set<string>();
    const open = [start];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      for (const { to } of targets.get(file) ?? []) {
        if (!seen.has(to)) open.push(to);
        seen.add(to);
      }
    }
    return seen;
  };
  return [...targets.keys()].filter((file) => reached(file).has(file));
}

test('every room of src/ has a floor, and every room on a floor exists', () => {
  const rooms = new Set(globSync('src/**/*.ts').map((file) => roomOf(path.relative('src', file))));
  expect(floors.flat().toSorted()).toEqual([...rooms].toSorted());
});

test('no import goes uphill, and no files import each other', () => {
  const imports = importsOfSrc();
  expect(imports.length).toBeGreaterThan(1_000);
  expect(imports.filter(({ to }) => floorOf(to) < 0)).toEqual([]);
  expect(uphill(imports)).toEqual([]);
  expect(circles(imports)).toEqual([]);
});

test('the map of docs/architecture.md lists every folder of src/, from the ground up', () => {
  const page = readFileSync('docs/architecture.md', 'utf8');
  const map = [...page.matchAll(/^\| `src\/([\w-]+)` /gm)].map(([, folder = '']) => folder);
  const folders = floors.flat().filter((room) => !room.endsWith('.ts'));
  expect(map.toSorted()).toEqual(folders.toSorted());
  expect(map.map(floorOf)).toEqual(map.map(floorOf).toSorted((a, b) => a - b));
});

test('an import in the wrong direction is noticed', () => {
  const some = importsOfSrc().find(({ from, to }) => roomOf(from) !== roomOf(to));
  const turned = { from: some!.to, to: some!.from };
  expect(uphill([turned])).toHaveLength(1);
  expect(circles([some!, turned])).toEqual([some!.from, turned.from]);
});
