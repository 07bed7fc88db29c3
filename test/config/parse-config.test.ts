import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { configOptions, reloadOf } from '../../src/config/options.ts';
import { ConfigError, parseConfig } from '../../src/config/parse-config.ts';

const secret = 'x'.repeat(32);

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  it('is an embedded database with the specified pool when nothing is set', () => {
    const config = parseConfig({});
    expect(config.server).toBeNull();
    expect(config.pool).toMatchObject({
      size: 20,
      overflow: 40,
      waitMs: 30_000,
      recycleSeconds: 3600,
      connectMs: 10_000,
      statementTimeoutMs: 30_000,
      applicationName: 'agent_lightning',
    });
  });

  it('takes a server from DB_HOST and related variables, with the specified defaults', () => {
    const config = parseConfig({ DB_HOST: 'db.example', DB_PASSWORD: 'p@ss/word', JWT_SECRET: secret });
    expect(config.server?.url?.reveal()).toBe(
      'postgres://agent_user:p%40ss%2Fword@db.example:5432/agent_lightning',
    );
  });

  it('decides on TLS by the host of each URL unless DB_SSL is set', () => {
    const server = (env: Record<string, string>) =>
      parseConfig({ DB_HOST: 'db.example', JWT_SECRET: secret, ...env }).server;
    expect(server({})).toMatchObject({ tls: { mode: null }, pooler: 'auto', listenUrl: null });
    expect(server({ DB_SSL: 'prefer' })).toMatchObject({ tls: { mode: 'prefer' } });
    expect(server({ DB_SSL: 'no-verify' })).toMatchObject({ tls: { mode: 'require' } });
  });

  it('takes an endpoint of embeddings, with or without the last part of its path', () => {
    expect(parseConfig({}).embeddings).toBeNull();
    for (const url of [
      'https://api.example/v1',
      'https://api.example/v1/',
      'https://api.example/v1/embeddings',
    ]) {
      const { embeddings } = parseConfig({ EMBEDDINGS_URL: url, EMBEDDINGS_API_KEY: 'key' });
      expect(embeddings).toMatchObject({ url: 'https://api.example/v1', model: 'text-embedding-3-small' });
      expect(embeddings?.apiKey?.reveal()).toBe('key');
    }
    expect(problemsOf({ EMBEDDINGS_URL: 'api.example' })).toEqual([
      'EMBEDDINGS_URL must have the form https://host/path',
    ]);
  });

  it('names every problem at once, with the value and the allowed values', () => {
    expect(
      problemsOf({
        PORT: 'eighty',
        DB_POOL_SIZE: '0',
        USE_DATABASE: 'maybe',
        DB_SSL: 'sure',
        DB_ROLE_PREFIX: 'A b',
      }),
    ).toEqual([
      'DB_SSL is "sure"; expected one of disable, prefer, require, verify-ca, verify-full, verify, no-verify, off',
      'USE_DATABASE is "maybe"; expected one of true, false',
      'DB_POOL_SIZE is "0"; expected a whole number from 1 to 1000',
      'DB_ROLE_PREFIX is "A b"; expected up to 41 lower case letters, digits and _, beginning with a letter',
      'PORT is "eighty"; expected a whole number from 0 to 65535',
    ]);
  });

  it('has the options of REST', () => {
    expect(parseConfig({}).rest).toEqual({ maxRows: 1000, logStatements: false, plans: false });
    const env = { REST_MAX_ROWS: '5', REST_LOG_STATEMENTS: 'true', REST_PLANS: 'true' };
    expect(parseConfig(env).rest).toEqual({ maxRows: 5, logStatements: true, plans: true });
    expect(problemsOf({ REST_MAX_ROWS: '0', REST_LOG_STATEMENTS: 'yes' })).toEqual([
      'REST_MAX_ROWS is "0"; expected a whole number from 1 to 1000000',
      'REST_LOG_STATEMENTS is "yes"; expected one of true, false',
    ]);
  });

  it('accepts origins as people write them, and refuses any that no browser sends', () => {
    const originsOf = (CORS_ORIGINS: string) => parseConfig({ CORS_ORIGINS }).http.corsOrigins;
    expect([originsOf(''), originsOf('*')]).toEqual([null, null]);
    expect(originsOf('http://a.example , https://B.example:443/,null,capacitor://localhost')).toEqual([
      'http://a.example',
      'https://b.example',
      'null',
      'capacitor://localhost',
    ]);
    const form = 'expected an origin such as https://app.example or http://localhost:5173';
    for (const wrong of [
      'a.example',
      'https://a.example/app',
      '*.example',
      'https://',
      'http://u@a.example',
    ]) {
      expect(problemsOf({ CORS_ORIGINS: wrong })).toEqual([`CORS_ORIGINS has "${wrong}"; ${form}`]);
    }
    expect(problemsOf({ CORS_ORIGINS: 'https://a.example,' })).toEqual([`CORS_ORIGINS has ""; ${form}`]);
  });

  it('refuses the former name of an option, instead of silently taking the default', () => {
    expect(problemsOf({ REST_CORS_ORIGINS: 'https://a.example' })).toEqual([
      'REST_CORS_ORIGINS is set, but is no longer read; set CORS_ORIGINS instead',
    ]);
    expect(problemsOf({ REST_CORS_ORIGINS: '' })).toEqual([]);
  });

  it('keeps backups of an embedded database beside it, and those of a server where it is told to', () => {
    const server = { DATABASE_URL: 'postgres://a:b@127.0.0.1/c', JWT_SECRET: secret };
    expect(parseConfig({ DATA_DIR: '/srv/data' }).backup.store).toEqual({
      kind: 'directory',
      path: '/srv/backups',
    });
    expect(parseConfig(server).backup.store).toBeNull();
    expect(parseConfig({ ...server, BACKUP_STORE: '/mnt/b' }).backup.store).toEqual({
      kind: 'directory',
      path: '/mnt/b',
    });
    const { store } = parseConfig({
      BACKUP_STORE: 's3://my-bucket/a/b/',
      BACKUP_S3_ENDPOINT: 'http://127.0.0.1:9000/',
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'hush',
      BACKUP_ENCRYPTION_KEY: 'none',
    }).backup;
    expect(store).toMatchObject({
      kind: 's3',
      bucket: 'my-bucket',
      prefix: 'a/b/',
      endpoint: 'http://127.0.0.1:9000',
      region: 'us-east-1',
      credentials: { accessKeyId: 'id', sessionToken: null },
    });
    expect(inspect(store, { depth: 5 })).not.toContain('hush');
    expect(
      parseConfig({ BACKUP_STORE: 's3://my-bucket', BACKUP_ENCRYPTION_KEY: 'none' }).backup.store,
    ).toMatchObject({
      prefix: '',
      credentials: null,
    });
    expect(
      problemsOf({ BACKUP_STORE: 's3:/my-bucket', AWS_ACCESS_KEY_ID: 'id', BACKUP_ENCRYPTION_KEY: 'short' }),
    ).toEqual([
      'BACKUP_STORE is "s3:/my-bucket"; expected a bucket as s3://bucket/prefix',
      'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together; set both or neither',
      'BACKUP_ENCRYPTION_KEY must be 32 bytes in hex or base64, or none; make one with: openssl rand -hex 32',
    ]);
    for (const key of [Buffer.alloc(32, 7).toString('hex'), Buffer.alloc(32, 7).toString('base64')]) {
      expect(parseConfig({ BACKUP_ENCRYPTION_KEY: key }).backup.encryptionKey?.reveal()).toBe(key);
    }
  });

  it('wants a key for backups that are kept elsewhere, or to be told that there is none', () => {
    const elsewhere = { BACKUP_STORE: 's3://my-bucket' };
    expect(problemsOf(elsewhere)).toEqual([
      expect.stringContaining('BACKUP_STORE is not on this machine and BACKUP_ENCRYPTION_KEY is not set'),
    ]);
    expect(problemsOf({ ...elsewhere, BACKUP_ENCRYPTION_KEY: 'none' })).toEqual([]);
    expect(parseConfig({ ...elsewhere, BACKUP_ENCRYPTION_KEY: 'none' }).backup.encryptionKey).toBeNull();
    expect(problemsOf({ BACKUP_STORE: '/mnt/b' })).toEqual([]);
  });

  it('takes the keys that sign backups as PEM or on one line, and nothing else', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const kept = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const shown = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const oneLine = (pem: string) => pem.replaceAll(/-----.*-----|\n/g, '');
    for (const form of [(pem: string) => pem, oneLine]) {
      const { signingKey, publicKeys } = parseConfig({
        BACKUP_SIGNING_KEY: form(kept),
        BACKUP_PUBLIC_KEY: `${form(shown)},${oneLine(shown)}`,
      }).backup;
      expect(signingKey?.equals(privateKey)).toBe(true);
      expect(publicKeys.map((key) => key.equals(publicKey))).toEqual([true, true]);
    }
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    for (const wrong of [shown, 'kept', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()]) {
      const [problem, ...others] = problemsOf({ BACKUP_SIGNING_KEY: wrong });
      expect(problem).toContain('BACKUP_SIGNING_KEY must be a private Ed25519 key');
      expect([others, problem?.includes(wrong)]).toEqual([[], false]);
    }
    for (const wrong of [
      kept,
      oneLine(kept),
      'MCow',
      rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    ]) {
      const [problem, ...others] = problemsOf({ BACKUP_PUBLIC_KEY: wrong });
      expect(problem).toContain('BACKUP_PUBLIC_KEY must be public Ed25519 keys');
      expect(others).toEqual([]);
      // It may be the private key.
      expect(problem).not.toContain(oneLine(secret).slice(0, 40));
    }
  });

  it('takes a server from the URL of any login', () => {
    for (const kind of ['', 'LISTEN_', 'MIGRATE_', 'WORKER_', 'BACKUP_']) {
      const { server } = parseConfig({ [`${kind}DATABASE_URL`]: 'postgres://a:b@127.0.0.1/c' });
      expect(server, kind).not.toBeNull();
      expect(server?.url === null, kind).toBe(kind !== '');
    }
  });

  it('refuses a secret that is too short for HS256', () => {
    expect(problemsOf({ JWT_SECRET: 'short' })).toEqual(['JWT_SECRET has 5 bytes; HS256 needs 32 or more']);
  });

  it('does not repeat a malformed URL: it may hold a password', () => {
    const [problem] = problemsOf({ DATABASE_URL: 'postgres//me:hunter2@host/db', JWT_SECRET: secret });
    expect(problem).toContain('DATABASE_URL');
    expect(problem).not.toContain('hunter2');
  });

  it('prints secrets as [secret]', () => {
    const config = parseConfig({ DATABASE_URL: 'postgres://me:hunter2@127.0.0.1/db', JWT_SECRET: secret });
    expect(`${inspect(config, { depth: 5 })}${JSON.stringify(config)}`).not.toMatch(/hunter2|xxxx/);
  });

  it('lists the same options as the table of docs/configuration.md', async () => {
    const page = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    // Prettier pads the cells.
    const cells = (line: string) => line.split('|').map((cell) => cell.trim().replace(/^-+$/, '---'));
    const written = page.split('\n').filter((line) => line.startsWith('|'));
    expect(
      written.map(cells),
      'the table of docs/configuration.md (received) has to be what src/config/options.ts says (expected), in its order',
    ).toEqual(optionsTable().map(cells));
  });

  it('is the only place that reads the environment', async () => {
    const { globSync } = await import('node:fs');
    const root = new URL('../..', import.meta.url).pathname;
    const files = globSync('src/**/*.ts', { cwd: root });
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) {
      expect(await readFile(`${root}/${file}`, 'utf8'), file).not.toContain('process.env');
    }
  });
});

/**
 * The lines of the table. Messages name a page from the project's root, and the page itself links relative to its
 * folder.
 */
function optionsTable(): string[] {
  const rows = configOptions.map(({ name, fallback, meaning }) => [
    `\`${name}\``,
    fallback && `\`${fallback}\``,
    { live: 'live', file: 'its file', restart: '' }[reloadOf(name)],
    meaning.replaceAll(/docs\/(\w+\.md)/g, '[$1]($1)'),
  ]);
  return [['variable', 'default', 'SIGHUP', 'meaning'], ['---', '---', '---', '---'], ...rows].map(
    (cells) => `| ${cells.join(' | ')} |`,
  );
}
