import { randomBytes } from 'node:crypto';
import { Client, DatabaseError, escapeIdentifier, escapeLiteral } from 'pg';
import { loadSchema } from './load-schema.ts';

/** The roles that schema.sql creates. */
const roles = ['conf_anon', 'conf_member', 'conf_curator', 'conf_serial', 'conf Größe'];

/** A database on a server with the suite's schema, and a login that may only switch roles. */
export interface MadeConformanceDatabase {
  /** The URL of that login. */
  readonly url: string;
  /** Removes the database and the login. */
  drop(): Promise<void>;
}

/** Creates one in the way that PostgREST's documentation sets up a database. */
export async function makeConformanceDatabase(adminUrl: string): Promise<MadeConformanceDatabase> {
  const name = `conf_${randomBytes(6).toString('hex')}`;
  const login = `${name}_authenticator`;
  const password = randomBytes(16).toString('hex');
  await asAdmin(adminUrl, [`create database ${escapeIdentifier(name)}`]);
  const url = Object.assign(new URL(adminUrl), { pathname: `/${name}` });
  await loadSchema(url.href);
  await asAdmin(adminUrl, [
    `create role ${escapeIdentifier(login)} login noinherit password ${escapeLiteral(password)}`,
    `grant ${roles.map(escapeIdentifier).join(', ')} to ${escapeIdentifier(login)}`,
  ]);
  return {
    url: Object.assign(url, { username: login, password }).href,
    drop: async () => {
      await asAdmin(adminUrl, [
        `drop database if exists ${escapeIdentifier(name)} with (force)`,
        `drop role ${escapeIdentifier(login)}`,
      ]);
      await dropRoles(adminUrl);
    },
  };
}

/** Roles belong to the whole server, and another run may still need them. */
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
