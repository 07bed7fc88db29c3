import { Client } from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { type FreshDatabase, freshDatabase } from './db.ts';
import { noServer, readyServer } from './server.ts';

// These tests need several databases; the embedded database has only one.
describe.skipIf(noServer)('a fresh database', () => {
  const made: FreshDatabase[] = [];
  const make = async (template?: string) => {
    const database = await freshDatabase(readyServer().adminUrl, template);
    made.push(database);
    return database;
  };

  afterEach(() => Promise.all(made.splice(0).map((database) => database.drop())));

  test('is empty, and no other database sees its tables', async () => {
    const [one, other] = [await make(), await make()];
    await query(one.url, 'create table seen (id int)');
    const tables = `select tablename from pg_tables where schemaname = 'public'`;
    expect(await query(one.url, tables)).toEqual([{ tablename: 'seen' }]);
    expect(await query(other.url, tables)).toEqual([]);
  });

  test('is a copy of its template, and files may copy it at the same time', async () => {
    const template = await make();
    await query(template.url, 'create table seen as select generate_series(1, 1000) as id');
    const name = new URL(template.url).pathname.slice(1);
    const copies = await Promise.all([make(name), make(name), make(name)]);
    await query(copies[0]!.url, 'delete from seen');
    const count = 'select count(*)::int as rows from seen';
    expect(await query(copies[1]!.url, count)).toEqual([{ rows: 1000 }]);
    expect(await query(template.url, count)).toEqual([{ rows: 1000 }]);
  });

  test('can be dropped while a client is connected, and twice', async () => {
    const database = await make();
    const client = new Client({ connectionString: database.url });
    const lost = new Promise<Error>((resolve) => void client.on('error', resolve));
    await client.connect();
    await database.drop();
    expect((await lost).message).toMatch(/terminat/);
    await database.drop();
    await expect(query(database.url, 'select 1')).rejects.toThrow('does not exist');
  });
});

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
