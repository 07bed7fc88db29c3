import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, escapeIdentifier } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blocksOf } from '../support/doc-blocks.ts';
import { noServer, readyServer } from '../support/server.ts';

// README's way onto a server, unchanged: each line runs in a shell of its own, as if the terminal had been closed in
// between.

const root = fileURLToPath(new URL('../..', import.meta.url));
const suffix = randomBytes(3).toString('hex');
const database = `readme_${suffix}`;
/** Unique names: roles and logins belong to the whole server, and other tests use the usual ones. */
const ownNames = ['api', 'migrate', 'worker', 'backup'].map(
  (kind) => `--${kind}-login readme_${kind}_${suffix}`,
);

describe.skipIf(noServer)("README's commands for a server", () => {
  let directory: string;
  let lines: string[];
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'readme-'));
    const block = (await blocksOf('README.md')).find(
      ({ mark }) => mark?.kind === 'run by' && mark.file === 'test/setup/readme-server.test.ts',
    );
    lines = (block?.code ?? '')
      .split('\n')
      .map((line) => line.replace(/(?:^|\s+)#.*/, ''))
      .filter(Boolean);
    const scripts = { start: `node ${root}bin/lightning start`, lightning: `node ${root}bin/lightning` };
    await writeFile(path.join(directory, 'package.json'), JSON.stringify({ scripts }));
    await writeFile(path.join(directory, '.env'), 'POSTGRES_PASSWORD=of-docker-compose\n', { mode: 0o644 });
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
    const admin = new Client({ connectionString: readyServer().adminUrl });
    await admin.connect();
    await admin.query(`drop database if exists ${escapeIdentifier(database)} with (force)`);
    const { rows } = await admin.query<{ rolname: string }>(
      "select rolname from pg_roles where rolname like 'readme%' and rolname like '%' || $1 || '%'",
      [suffix],
    );
    for (const { rolname } of rows)
      await admin.query(`drop owned by ${escapeIdentifier(rolname)}; drop role ${escapeIdentifier(rolname)}`);
    await admin.end();
  });

  const begin = (line: string, env: Record<string, string> = {}) => {
    const child = spawn('sh', ['-c', line], {
      cwd: directory,
      env: { PATH: process.env['PATH'] ?? '', HOME: directory, PORT: '0', ...env },
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
    return {
      child,
      ended: once(child, 'close').then(([status]) => ({ status: Number(status), output: () => output })),
      output: () => output,
    };
  };

  test('lead from nothing to an API on a newly set up database', { timeout: 90_000 }, async () => {
    const [setup = '', check = '', start = '', ...others] = lines;
    expect(others).toEqual([]);
    const example = 'postgres://postgres:...@db.example:5432/postgres';
    expect(setup).toContain(example);
    const made = await begin(
      `${setup.replace(example, readyServer().adminUrl)} --database ${database} ${ownNames.join(' ')}`,
      { DB_ROLE_PREFIX: `readme${suffix}` },
    ).ended;
    expect(made, made.output()).toMatchObject({ status: 0 });
    const written = await readFile(path.join(directory, '.env'), 'utf8');
    expect(written).toMatch(/^POSTGRES_PASSWORD=of-docker-compose\nDATABASE_URL=postgres/);
    for (const name of ['MIGRATE', 'WORKER', 'BACKUP'])
      expect(written).toContain(`\n${name}_DATABASE_URL=postgres`);
    expect(written).toMatch(/\nJWT_SECRET=[0-9a-f]{64}\n/);
    expect((await stat(path.join(directory, '.env'))).mode & 0o777).toBe(0o600);

    const checked = await begin(check).ended;
    // The schema does not exist yet, and the output says so.
    expect(checked.output()).toMatch(
      new RegExp(`configured +the server \\S+/${database}, because of DATABASE_URL in .*\\.env`),
    );
    expect(checked.output()).toMatch(/^MEND schema/m);

    const serving = begin(start);
    try {
      await expect.poll(serving.output, { timeout: 60_000 }).toMatch(/^GraphQL +(\S+)\/graphql$/m);
      expect(serving.output()).toMatch(
        new RegExp(`the database is the server \\S+/${database}, because of DATABASE_URL in`),
      );
      const [, url] = /^GraphQL +(\S+)\/graphql$/m.exec(serving.output()) ?? [];
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
    } finally {
      process.kill(-serving.child.pid!, 'SIGTERM');
      await serving.ended;
    }
  });
});
