import type { Client } from 'pg';
import { readSqlFile } from '../db/sql-files.ts';

/**
 * Makes the cluster's roles, and the extension and the rights that migrations build on (sql/roles.sql,
 * sql/database.sql) in the database that the client is connected to. Needs an administrator. Can be run again.
 */
export async function prepareDatabase(client: Client, rolePrefix: string): Promise<void> {
  const { rows } = await client.query('select current_database() as name');
  const databaseName: string = rows[0].name;
  await client.query(await readSqlFile('roles.sql', rolePrefix, databaseName));
  await client.query(await readSqlFile('database.sql', rolePrefix, databaseName));
}
