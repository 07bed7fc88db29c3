import { KeyObject, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { configOptions, fileVariable, secretNames } from '../../src/config/options.ts';
import { ConfigError, parseConfig } from '../../src/config/parse-config.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'lightning-secrets-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Buffer): string {
  const target = path.join(folder, name);
  writeFileSync(target, content);
  return target;
}

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** A value that each secret can have; a secret that is added gets a line here. */
const values: Readonly<Record<(typeof secretNames)[number], string>> = {
  DATABASE_URL: 'postgres://me:of-the-file@127.0.0.1/d',
  LISTEN_DATABASE_URL: 'postgres://me:of-the-file@127.0.0.1/d',
  MIGRATE_DATABASE_URL: 'postgres://me:of-the-file@127.0.0.1/d',
  WORKER_DATABASE_URL: 'postgres://me:of-the-file@127.0.0.1/d',
  BACKUP_DATABASE_URL: 'postgres://me:of-the-file@127.0.0.1/d',
  DB_PASSWORD: 'of-the-file',
  JWT_SECRET: 'of-the-file-'.repeat(4),
  EMBEDDINGS_API_KEY: 'of-the-file',
  AWS_SECRET_ACCESS_KEY: 'of-the-file',
  AWS_SESSION_TOKEN: 'of-the-file',
  BACKUP_ENCRYPTION_KEY: '7'.repeat(64),
  BACKUP_SIGNING_KEY: generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString(),
  ALERT_WEBHOOK_URL: 'https://alerts.example/of-the-file',
  AUDIT_ANCHOR_URL: 'https://anchors.example/of-the-file',
};
/** What else has to be set, so that the secret is read. */
const beside: Readonly<Record<string, string>> = {
  DB_HOST: 'db.example',
  EMBEDDINGS_URL: 'https://e.example/v1',
  BACKUP_STORE: 's3://bucket',
  BACKUP_ENCRYPTION_KEY: 'none',
  AWS_ACCESS_KEY_ID: 'id',
  AWS_SECRET_ACCESS_KEY: 'secret',
};

/** Every secret that the configuration holds, in the clear. */
function revealed(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (value instanceof KeyObject) return [value.export({ type: 'pkcs8', format: 'pem' }).toString()];
  if ('reveal' in value && typeof value.reveal === 'function') return [String(value.reveal())];
  return Object.values(value).flatMap(revealed);
}

describe('a secret in a file', () => {
  test.each(secretNames)('%s is the same as in the variable, without the newline at the end', (name) => {
    const { [name]: _own, ...others } = beside as Record<string, string>;
    const env = {
      ...others,
      ...(name === 'AWS_SECRET_ACCESS_KEY' ? {} : { AWS_SECRET_ACCESS_KEY: 'secret' }),
    };
    const given = revealed(parseConfig({ ...env, [name]: values[name] }));
    expect(given.some((secret) => /of-the-file|^7{64}$|PRIVATE/.test(secret))).toBe(true);
    for (const end of ['', '\n', '\r\n']) {
      const from = file(name, values[name] + end);
      expect(revealed(parseConfig({ ...env, [fileVariable(name)]: from }))).toEqual(given);
    }
  });

  test('keeps every newline but the last, and spaces', () => {
    const from = file('spaces', ' two\n words \n\n');
    const { server } = parseConfig({ DB_HOST: 'h', [fileVariable('DB_PASSWORD')]: from });
    // A URL keeps no newlines, so the password has to be encoded.
    expect(decodeURIComponent(new URL(server?.url?.reveal() ?? '').password)).toBe(' two\n words \n');
  });

  test('is refused together with the variable, and an empty variable counts as absent', () => {
    const from = file('both', 'x'.repeat(40));
    expect(problemsOf({ JWT_SECRET: 'y'.repeat(40), [fileVariable('JWT_SECRET')]: from })).toEqual([
      'JWT_SECRET and JWT_SECRET_FILE are both set; expected one of them',
    ]);
    expect(problemsOf({ JWT_SECRET: '', [fileVariable('JWT_SECRET')]: from })).toEqual([]);
  });

  test.each([
    ['is empty', 'it is empty', Buffer.from('\n')],
    ['is not text', 'it is not UTF-8 text', Buffer.from([0xff, 0xfe, 0x41, 0xd8])],
    ['has NUL bytes', 'it has NUL bytes', Buffer.from('hunter2\0')],
    ['is too large', 'it has more than 1048576 bytes', Buffer.alloc(1_048_577, 'hunter2')],
  ])('is refused when it %s, by the name of the file and without a word of it', (_what, why, content) => {
    const from = file('unusable', content);
    const problems = problemsOf({ [fileVariable('JWT_SECRET')]: from });
    expect(problems[0]).toContain(`JWT_SECRET_FILE names ${from}, which cannot be used: ${why}`);
    expect(problems.join()).not.toContain('hunter2');
  });

  test('is refused when it is missing or a directory, and when its content does not fit the option', () => {
    expect(problemsOf({ [fileVariable('DATABASE_URL')]: '/gone/url' })[0]).toMatch(
      /^DATABASE_URL_FILE names \/gone\/url, which cannot be used: ENOENT/,
    );
    expect(problemsOf({ [fileVariable('DATABASE_URL')]: folder })[0]).toContain('EISDIR');
    const problems = problemsOf({ [fileVariable('DATABASE_URL')]: file('url', 'postgres//me:hunter2@h/d') });
    expect(problems).toEqual(['DATABASE_URL must have the form postgres://user:password@host:5432/database']);
  });

  test('is offered for every option that is read as a secret, and docs/configuration.md names each', async () => {
    const page = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    const [, listed = ''] =
      /## Secrets in files\n\n[^]*?They are ([^]*?)\. ?A newline/.exec(
        page.replaceAll('\n', ' ').replace('## Secrets in files  ', '## Secrets in files\n\n'),
      ) ?? [];
    expect([...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name)).toEqual(secretNames);
    // No option has a name like a secret's without being one.
    const alike = configOptions
      .map(({ name }) => name)
      .filter(
        (name) => /SECRET|PASSWORD|TOKEN|_KEY$|DATABASE_URL/.test(name) && !/PUBLIC|SSL|TLS/.test(name),
      );
    expect(secretNames).toEqual(expect.arrayContaining(alike));
  });
});
