import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configOptions } from '../../src/config/options.ts';
import { lightning } from '../support/lightning.ts';

describe('lightning config', { timeout: 60_000 }, () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'lightning-config-'));
    await writeFile(
      path.join(folder, '.env'),
      'DATABASE_URL=postgres://me:hunter2@127.0.0.1:1/app\nDB_POOL_SIZE=7\nDB_POOLSIZE=9\n',
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const config = (args: readonly string[], env: Record<string, string> = {}) =>
    lightning(['config', ...args], env, folder);

  test('prints every value and where it came from, without a secret', async () => {
    const { status, stdout, stderr } = await config([], { PORT: '8080' });
    expect([status, stderr]).toEqual([0, '']);
    const dotEnv = path.join(folder, '.env');
    expect(stdout).toMatch(/^PORT +8080 {2}\(environment\)$/m);
    expect(stdout).toMatch(/^HOST +127\.0\.0\.1 {2}\(default\)$/m);
    expect(stdout).toMatch(/^TLS_CERT +\(unset\) {2}\(default\)$/m);
    expect(stdout).toMatch(new RegExp(`^DB_POOL_SIZE +7 {2}\\(${dotEnv}\\)$`, 'm'));
    expect(stdout).toMatch(/^DATABASE_URL +postgres:\/\/me:\[secret\]@127\.0\.0\.1:1\/app {2}\(/m);
    expect(stdout).not.toContain('hunter2');
    for (const { name } of configOptions) expect(stdout).toMatch(new RegExp(`^${name} `, 'm'));
    expect(stdout).toMatch(/^-> DB_POOLSIZE in \S+\.env is not an option: did you mean DB_POOL_SIZE\?$/m);
  });

  test('names the file that a secret came from', async () => {
    const file = path.join(folder, 'jwt');
    await writeFile(file, 'x'.repeat(32));
    const { stdout } = await config(['JWT_SECRET'], { JWT_SECRET_FILE: file });
    expect(stdout).toMatch(
      new RegExp(`^JWT_SECRET +\\[secret\\] {2}\\(${file}, which JWT_SECRET_FILE names\\)\n$`),
    );
  });

  test('shows values that cannot be used with what is wrong, and exits with 2', async () => {
    const { status, stdout } = await config([], { PORT: 'eighty', TLS_KEY: '/srv/key.pem' });
    expect(status).toBe(2);
    expect(stdout).toMatch(
      /^PORT +eighty {2}\(environment\)\n +-> PORT is "eighty"; expected a whole number/m,
    );
    expect(stdout.match(/TLS_CERT and TLS_KEY belong together/g)).toHaveLength(1);
    const narrow = await config(['HOST'], { PORT: 'eighty' });
    expect(narrow.status).toBe(0);
    const asked = await config(['PORT'], { PORT: 'eighty' });
    expect(asked.status).toBe(2);
  });

  test('shows the options that are named, and refuses a name that none has', async () => {
    const { status, stdout } = await config(['DB_POOL_SIZE', 'PORT', 'JWT_SECRET_FILE']);
    expect(status).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(['DB_POOL_SIZE', 'JWT_SECRET', 'PORT']);
    const refused = await config(['PROT']);
    expect([refused.status, refused.stderr]).toEqual([
      2,
      'lightning: PROT is not an option: the nearest is PORT\n',
    ]);
  });

  test('--json is one document with the names that docs/commands.md lists', async () => {
    const { status, stdout } = await config(['--json'], { PORT: 'eighty' });
    expect(status).toBe(2);
    const document = JSON.parse(stdout) as {
      readonly options: readonly object[];
      readonly unknown: readonly object[];
    };
    expect(document).toMatchObject({
      options: expect.arrayContaining([
        expect.objectContaining({ name: 'HOST', value: '127.0.0.1', origin: 'default', file: null }),
      ]),
      problems: ['PORT is "eighty"; expected a whole number from 0 to 65535'],
      unknown: [{ name: 'DB_POOLSIZE', origin: '.env', nearest: 'DB_POOL_SIZE', isSlip: true }],
    });
    const page = await readFile(new URL('../../docs/commands.md', import.meta.url), 'utf8');
    const [, cell = ''] = /^\| `config --json` *\|(.*)\|$/m.exec(page) ?? [];
    const named = new Set([...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
    const names = [document, document.options[0]!, document.unknown[0]!].flatMap((each) => Object.keys(each));
    expect(names.filter((name) => !named.has(name))).toEqual([]);
    expect(document.options).toHaveLength(configOptions.length);
  });

  test('says that .env cannot be read, and exits with 2', async () => {
    const elsewhere = await mkdtemp(path.join(folder, 'unreadable-'));
    await symlink('.env', path.join(elsewhere, '.env'));
    const { status, stdout } = await lightning(['config'], {}, elsewhere);
    expect(status).toBe(2);
    expect(stdout).toMatch(/^-> \S+\.env cannot be read: ELOOP/m);
  });
});
