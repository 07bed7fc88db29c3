import { glob, readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Run by `lightning setup` as an administrator, before any migration; and written by npm run db:schema. */
const notIncluded = new Set(['database.sql', 'roles.sql', 'schema.sql']);

// Tests see committed migrations only: this is the first thing to look at when many of them fail.
test('current.sql is empty: what is in it is in no database of the tests', async () => {
  const statements = (await readFile(`${root}current.sql`, 'utf8'))
    .split('\n')
    .filter((line) => line.trim() !== '' && (!line.startsWith('--') || line.startsWith('--!')));
  expect(statements, 'current.sql is not empty: npm run db:commit -- --message <what_it_does>').toEqual([]);
});

describe('the committed migrations', () => {
  /** By file of sql/: the text that was included last, and by which migration. */
  const included = new Map<string, { readonly text: string; readonly by: string }>();

  beforeAll(async () => {
    for (const by of (await readdir(`${root}migrations/committed`)).toSorted()) {
      const migration = await readFile(`${root}migrations/committed/${by}`, 'utf8');
      for (const [, file = '', text = ''] of migration.matchAll(
        /^--! Included (\S+)\n([\s\S]*?)\n--! EndIncluded \1$/gm,
      ))
        included.set(file, { text, by });
    }
  });

  test('hold every file of sql/ as it is', async () => {
    const faults: string[] = [];
    let files = 0;
    for await (const file of glob('**/*.sql', { cwd: `${root}sql` })) {
      if (notIncluded.has(file)) continue;
      files += 1;
      const last = included.get(file);
      const text = (await readFile(`${root}sql/${file}`, 'utf8')).trim();
      if (last?.text === text) continue;
      faults.push(
        last === undefined
          ? `sql/${file}: no migration includes it; write "--!include ${file}" into current.sql, then npm run db:commit -- --message <what_it_does>`
          : `sql/${file}: differs from what ${last.by} included; write "--!include ${file}" into current.sql, then npm run db:commit -- --message <what_it_does>`,
      );
    }
    expect(files).toBeGreaterThan(200);
    expect(faults).toEqual([]);
  });

  test('are one initial migration that has each function once, and what came after it', async () => {
    const initial = await readFile(`${root}migrations/committed/000001-initial.sql`, 'utf8');
    const defined = [...initial.matchAll(/^create or replace (?:function|view) (\w+\.\w+)/gm)].map(
      ([, name]) => name,
    );
    expect(defined.length).toBeGreaterThan(150);
    expect(defined.filter((name, index) => defined.indexOf(name) !== index)).toEqual([]);
  });
});
