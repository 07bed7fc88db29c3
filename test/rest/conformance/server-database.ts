import { randomBytes } from 'node:crypto';
import { Client, DatabaseError, escapeIdentifier, escapeLiteral } from 'pg';
import { freshDatabase } from '../../support/db.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { readyServer } from '../../support/server.ts';
import { loadSchema } from './load-schema.ts';
import type { ConformanceDatabase } from './load-schema.ts';

/** As schema.sql makes them. */
const roles = ['conf_anon', 'conf_member', 'conf_curator', 'conf_serial', 'conf Größe'];

/** On the run's server, as a login that may do nothing but switch roles, as PostgREST's documentation sets it up. */
export async function serverConformanceDatabase(): Promise<ConformanceDatabase> {
  const { adminUrl } = readyServer();
  const fresh = await freshDatabase(adminUrl);
  await loadSchema(fresh.url);
  const login = `conf_authenticator_${randomBytes(4).toString('hex')}`;
  const password = randomBytes(16).toString('hex');
  await asAdmin(adminUrl, [
    `create role ${escapeIdentifier(login)} login noinherit password ${escapeLiteral(password)}`,
    `grant ${roles.map(escapeIdentifier).join(', ')} to ${escapeIdentifier(login)}`,
  ]);
  const url = Object.assign(new URL(fresh.url), { username: login, password });
  const database = serverDatabase(url.href, { size: 2 });
  return {
    database,
    close: async () => {
      await database.close();
      await fresh.drop();
      await asAdmin(adminUrl, [`drop role ${escapeIdentifier(login)}`]);
      await dropRoles(adminUrl);
    },
  };
}

/** Roles belong to the whole server; another run may still need them. */
async function dropRoles(adminUrl: string): Promise<void> {
  for (const role of roles) {
    try {
      await asAdmin(adminUrl, [`drop role if exists ${escapeIdentifier(role)}`]);
    } catch (error) {
      if (!(error instanceof DatabaseError && error.code === '2BP01')) throw error;
    }
  }
}

async function asAdmin(adminUrl: string, statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
