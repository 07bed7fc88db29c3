import { glob, readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Files that no migration includes: `lightning setup` runs two as an administrator, and npm run db:schema writes one.
 */
const notIncluded = new Set(['database.sql', 'roles.sql', 'schema.sql']);

// Tests see only committed migrations: when many of them fail, look here first.
test('current.sql is empty, because the databases of tests do not have its contents', async () => {
  const statements = (await readFile(`${root}current.sql`, 'utf8'))
    .split('\n')
    .filter((line) => line.trim() !== '' && (!line.startsWith('--') || line.startsWith('--!')));
  expect(statements, 'current.sql is not empty: npm run db:commit -- --message <what_it_does>').toEqual([]);
});

describe('the committed migrations', () => {
  /** The last included text of each file of sql/, and the migration that included it. */
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

  test('include every file of sql/ as it is now', async () => {
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

  test('are one initial migration that has each function once, and the later ones', async () => {
    const initial = await readFile(`${root}migrations/committed/000001-initial.sql`, 'utf8');
    const defined = [...initial.matchAll(/^create or replace (?:function|view) (\w+\.\w+)/gm)].map(
      ([, name]) => name,
    );
    expect(defined.length).toBeGreaterThan(150);
    expect(defined.filter((name, index) => defined.indexOf(name) !== index)).toEqual([]);
  });
});
