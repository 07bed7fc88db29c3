import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DatabaseSync } from 'node:sqlite';
import { openRegular, readRegular, stateOf } from './regular-file.ts';

/** The bytes that begin a file of SQLite 3. */
const magic = Buffer.from('SQLite format 3\0');

/** A row of SQLite. Integers are bigint, so that none is rounded. */
export type SqliteRow = Readonly<Record<string, string | number | bigint | Uint8Array | null>>;

/** A table of SQLite, and how many rows it has. */
export interface SqliteTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: number;
}

/** An open file of SQLite. Nothing in it is run: views, triggers and virtual tables are not among its tables. */
export interface SqliteFile {
  readonly tables: readonly SqliteTable[];
  /** The rows of a table in the order in which they were added, if it keeps one. */
  rows(table: string): Iterable<SqliteRow>;
}

/** Whether a file that begins with these bytes is one of SQLite 3. */
export function isSqlite(bytes: Buffer): boolean {
  return bytes.subarray(0, magic.length).equals(magic);
}

/**
 * Opens a file of SQLite, of which nothing is changed, checks that it is whole, and closes it when `work` is done. What a program that
 * still writes it has left beside it is read as well, from a copy. Rejects with what SQLite says when the file is damaged.
 */
export async function withSqlite<T>(file: string, work: (open: SqliteFile) => T): Promise<T> {
  if (!isSqlite(await beginning(file))) throw new Error('it does not begin as one');
  const handle = await openRegular(file, path.basename(file), { within: null });
  try {
    const before = await stateOf(handle);
    const result = await withUnchanged(file, work);
    if ((await stateOf(handle)).state !== before.state) throw new Error('it changed while it was read');
    return result;
  } finally {
    await handle.close();
  }
}

async function withUnchanged<T>(file: string, work: (open: SqliteFile) => T): Promise<T> {
  const beside = ['-wal', '-journal'].filter((ending) => existsSync(`${file}${ending}`));
  if (beside.length === 0) {
    const url = pathToFileURL(path.resolve(file));
    // Nobody writes it, so SQLite needs no file of its own beside it.
    url.search = '?immutable=1';
    return withOpen(url, work);
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'lightning-import-'));
  try {
    const copy = path.join(folder, 'copy.db');
    for (const ending of ['', ...beside]) await copyFile(`${file}${ending}`, `${copy}${ending}`);
    return await withOpen(copy, work);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** As many bytes of a file as tell whether it is one of SQLite. */
export function beginning(file: string): Promise<Buffer> {
  return readRegular(file, path.basename(file), { most: Infinity, first: magic.length });
}

async function withOpen<T>(file: string | URL, work: (open: SqliteFile) => T): Promise<T> {
  const sqlite = await import('node:sqlite');
  // A copy is opened for writing, because SQLite cannot take back a half-done change otherwise.
  const database = new sqlite.DatabaseSync(file, { readOnly: typeof file !== 'string' });
  try {
    database.exec('pragma trusted_schema = off');
    const [checked] = database.prepare('pragma quick_check(1)').all();
    const verdict = String(checked?.['quick_check']);
    if (verdict !== 'ok') throw new Error(verdict.replaceAll('\n', ' '));
    return work({
      tables: tablesOf(database),
      rows: (table) => {
        const statement = database.prepare(
          `select * from ${quoted(table)} order by ${order(database, table)}`,
        );
        statement.setReadBigInts(true);
        return statement.iterate() as Iterable<SqliteRow>;
      },
    });
  } finally {
    database.close();
  }
}

function tablesOf(database: DatabaseSync): SqliteTable[] {
  const names = database
    .prepare(
      `select l.name from pragma_table_list l where l.schema = 'main' and l.type = 'table' and l.name not like 'sqlite\\_%' escape '\\'
       order by l.name`,
    )
    .all();
  return names.map(({ name }) => {
    const [count] = database.prepare(`select count(*) as rows from ${quoted(String(name))}`).all();
    const columns = database.prepare('select name from pragma_table_info(?)').all(String(name));
    return {
      name: String(name),
      columns: columns.map((column) => String(column['name'])),
      rows: Number(count?.['rows']),
    };
  });
}

/** A table has a row number unless it was made without, and then it has a primary key. */
function order(database: DatabaseSync, table: string): string {
  const [found] = database
    .prepare("select l.wr from pragma_table_list l where l.schema = 'main' and l.name = ?")
    .all(table);
  return Number(found?.['wr']) === 1 ? '1' : 'rowid';
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
