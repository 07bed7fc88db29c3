import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import type { Database } from '../../../src/db/database.ts';

/** A database that has the suite's schema and data. */
export interface ConformanceDatabase {
  readonly database: Database;
  close(): Promise<void>;
}

/** Runs schema.sql, as a superuser, on an empty database. */
export async function loadSchema(connectionString: string): Promise<void> {
  const text = await readFile(fileURLToPath(new URL('schema.sql', import.meta.url)), 'utf8');
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
