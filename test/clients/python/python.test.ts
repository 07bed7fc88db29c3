import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogin, dropLogin } from '../../../src/commands/login.ts';
import { startEmbedded } from '../../../src/embedded/embedded.ts';
import type { PostgresDatabase } from '../../../src/db/postgres.ts';
import { migratedDatabase } from '../../support/db.ts';
import type { MigratedDatabase } from '../../support/db.ts';
import { debianPython } from '../../support/debian-tools.ts';
import { migratedDataDirectory } from '../../support/embedded-template.ts';
import { lacks } from '../../support/lacks.ts';
import { installationIn } from '../../support/installation.ts';
import { noServer } from '../../support/server.ts';
import { serverDatabase } from '../../support/server-database.ts';

/** The lines that a script in this folder prints. */
async function run(script: string, address: string): Promise<string[]> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const { stdout } = await promisify(execFile)(debianPython, [file, address], { timeout: 60_000 });
  return stdout.trim().split('\n');
}

const lacksPython = lacks('python3-psycopg') || lacks('python3-psycopg2') || lacks('python3-sqlalchemy');

const agents = `insert into app_public.agents (tenant_id, id, name, model, status) values
  ('default', 'ada', 'Ada', 'gpt-4o', 'idle'), ('default', 'bob', 'Bob', 'claude', 'busy')`;

describe.skipIf(noServer || lacksPython)("an analyst's login on a server", () => {
  const ann = `ann_${randomBytes(4).toString('hex')}`;
  let made: MigratedDatabase;
  let operator: PostgresDatabase;
  let url: URL;

  beforeAll(async () => {
    made = await migratedDatabase();
    operator = serverDatabase(made.urls.migrate);
    const admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
    await admin.query(agents);
    await admin.query(`select ops.create_tenant('rival', 'rival')`);
    await admin.query(
      `insert into app_public.agents (tenant_id, id, name, model) values ('rival', 'eve', 'Eve', 'gpt-4o')`,
    );
    await admin.end();
    const password = await createLogin(installationIn(operator), ann, 'default');
    url = Object.assign(new URL(made.url), { username: ann, password });
  });
  afterAll(async () => {
    await dropLogin(installationIn(operator), ann);
    await operator?.close();
    await made?.drop();
  });

  test('psycopg reads its tenant, and may not write', async () => {
    expect(await run('psycopg_quick_start.py', url.href)).toEqual(["('ada', 'Ada')", '(1,)', '42501']);
  });

  test('SQLAlchemy reads its tenant, finds a table by itself, and may not write', async () => {
    const address = url.href.replace(/^postgres(ql)?:/, 'postgresql+psycopg2:');
    expect(await run('sqlalchemy_quick_start.py', address)).toEqual([
      'Ada',
      "[('ada', 'idle'), ('bob', 'busy')]",
      '42501',
    ]);
  });
});

describe.skipIf(lacksPython)('the socket of the embedded database', () => {
  let directory: string;
  let embedded: Awaited<ReturnType<typeof startEmbedded>>;

  beforeAll(async () => {
    directory = await migratedDataDirectory();
    embedded = await startEmbedded({ dataDirectory: directory });
    const client = new Client({ host: directory, user: 'postgres', database: 'postgres' });
    await client.connect();
    await client.query(agents);
    await client.end();
  });
  afterAll(async () => {
    await embedded?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('psycopg reads and writes', async () => {
    const address = `host=${directory} user=postgres dbname=postgres`;
    expect(await run('psycopg_quick_start.py', address)).toEqual(["('ada', 'Ada')", '(1,)', 'inserted']);
  });

  test('SQLAlchemy reads, finds a table by itself, and writes', async () => {
    const address = `postgresql+psycopg2://postgres@/postgres?host=${directory}`;
    expect(await run('sqlalchemy_quick_start.py', address)).toEqual([
      'Ada',
      "[('ada', 'idle'), ('bob', 'busy')]",
      'inserted',
    ]);
  });
});
