import { appendFileSync } from 'node:fs';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withSqlite } from '../../src/import/sqlite.ts';
import type { SqliteFile } from '../../src/import/sqlite.ts';
import { sqliteBytes } from './sqlite-bytes.ts';

describe('a file of SQLite', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'lt-sqlite-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const contents = ({ tables, rows }: SqliteFile) =>
    Object.fromEntries(tables.map(({ name }) => [name, [...rows(name)].map((row) => Object.values(row))]));
  const written = async (name: string, statements: string) => {
    const file = path.join(folder, name);
    await writeFile(file, await sqliteBytes(statements));
    return file;
  };

  it('is refused when it changes while it is read', async () => {
    const file = await written('changing.db', 'create table t (x); insert into t values (1);');
    const reading = withSqlite(file, ({ tables }) => {
      appendFileSync(file, 'more');
      return tables.length;
    });
    await expect(reading).rejects.toThrow('it changed while it was read');
  });

  it('has tables with rows in order, whole numbers exact, and nothing that would have to be run', async () => {
    const file = await written(
      'a b#?.db',
      `create table "odd ""name" (x); insert into "odd ""name" values (9223372036854775807), (1.5), ('t'), (x'00'), (null);
       create table pairs (k text primary key, v) without rowid; insert into pairs values ('b', 1), ('a', 2);
       create view v as select * from pairs; create virtual table f using fts5(t);`,
    );
    const found = await withSqlite(file, contents);
    expect(found['odd "name']).toEqual([
      [9_223_372_036_854_775_807n],
      [1.5],
      ['t'],
      [new Uint8Array([0])],
      [null],
    ]);
    expect(found['pairs']).toEqual([
      ['a', 2n],
      ['b', 1n],
    ]);
    expect(Object.keys(found)).not.toContain('v');
    expect(Object.keys(found)).not.toContain('f');
    expect((await readdir(folder)).filter((name) => name.startsWith('a b'))).toEqual(['a b#?.db']);
  });

  it('has the rows that its program has written beside it, and keeps them there', async () => {
    const live = path.join(folder, 'live.db');
    const program = new DatabaseSync(live);
    program.exec('pragma journal_mode = wal; create table t (x); insert into t values (1)');
    const file = path.join(folder, 'left.db');
    for (const ending of ['', '-wal']) await cp(`${live}${ending}`, `${file}${ending}`);
    program.close();
    expect(await withSqlite(file, contents)).toEqual({ t: [[1n]] });
    expect((await readdir(folder)).filter((name) => name.startsWith('left'))).toEqual([
      'left.db',
      'left.db-wal',
    ]);
  });

  it('is refused when it is damaged, cut off or of another kind', async () => {
    const file = await written('whole.db', 'create table t (x); insert into t values (randomblob(20000))');
    const damaged = path.join(folder, 'damaged.db');
    const bytes = await sqliteBytes('create table t (x); insert into t values (randomblob(20000))');
    for (const part of [
      bytes.subarray(0, 8_192),
      bytes.subarray(0, 50),
      bytes.subarray(16),
      Buffer.alloc(0),
    ]) {
      await writeFile(damaged, part);
      await expect(withSqlite(damaged, contents)).rejects.toThrow(
        /malformed|not a database|does not begin as one|Tree|Page/i,
      );
    }
    expect(Object.keys(await withSqlite(file, contents))).toEqual(['t']);
  });
});
