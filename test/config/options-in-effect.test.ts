import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configOptions, secretNames } from '../../src/config/options.ts';
import { configurationInEffect } from '../../src/config/options-in-effect.ts';
import type { OptionInEffect } from '../../src/config/options-in-effect.ts';
import { takeEnvironment } from '../../src/environment.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'options-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const look = (exported: Record<string, string>, dotEnv = '') => {
  writeFileSync(join(folder, '.env'), dotEnv);
  return configurationInEffect(takeEnvironment({ ...exported }, folder));
};
const found = ({ options }: { readonly options: readonly OptionInEffect[] }, name: string) =>
  options.find((option) => option.name === name);

describe('the configuration in effect', () => {
  test('has every option of the table once, in its order', () => {
    expect(look({}).options.map(({ name }) => name)).toEqual(configOptions.map(({ name }) => name));
  });

  test('says where each value came from', () => {
    const file = join(folder, 'secret');
    writeFileSync(file, 'x'.repeat(32));
    const seen = look(
      { PORT: '8080', DB_POOL_SIZE: '7', RATE_PER_TENANT: '' },
      `DB_POOL_SIZE=8\nREST_MAX_ROWS=9\nRATE_PER_TENANT=3\nJWT_SECRET_FILE=${file}\n`,
    );
    const plain = { secret: false, problems: [] };
    const dotEnv = join(folder, '.env');
    expect(found(seen, 'HOST')).toMatchObject({
      value: '127.0.0.1',
      origin: 'default',
      file: null,
      ...plain,
    });
    expect(found(seen, 'PORT')).toMatchObject({ value: '8080', origin: 'environment', file: null, ...plain });
    expect(found(seen, 'DB_POOL_SIZE')).toMatchObject({ value: '7', origin: 'environment', ...plain });
    expect(found(seen, 'REST_MAX_ROWS')).toMatchObject({
      value: '9',
      origin: '.env',
      file: dotEnv,
      ...plain,
    });
    // Exported as empty, which overrides the file.
    expect(found(seen, 'RATE_PER_TENANT')).toMatchObject({ value: '5000', origin: 'default', ...plain });
    expect(found(seen, 'JWT_SECRET')).toMatchObject({ value: null, origin: 'file', file, secret: true });
    expect(found(seen, 'DB_PASSWORD')).toMatchObject({ value: null, origin: 'default', secret: false });
  });

  test('hides every secret, as a value and in a URL', () => {
    const secrets = Object.fromEntries(secretNames.map((name) => [name, 'hunter2'.repeat(6)]));
    const seen = look({
      ...secrets,
      DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:5433/app',
      EMBEDDINGS_URL: 'https://me:hunter2@api.example/v1',
      BACKUP_S3_ENDPOINT: 'https://hunter2@minio.example',
      PUBLIC_URL: 'https://me:hunter2@api.example',
      JWT_KEYS_URL: 'https://me:hunter2@keys.example',
      CORS_ORIGINS: 'https://me:hunter2@page.example',
    });
    expect(JSON.stringify(seen)).not.toContain('hunter2');
    expect(found(seen, 'DATABASE_URL')?.value).toBe('postgres://me:[secret]@127.0.0.1:5433/app');
    expect(found(seen, 'EMBEDDINGS_URL')?.value).toBe('https://[secret]@api.example/v1');
    expect(seen.options.filter(({ secret }) => secret).map(({ name }) => name)).toEqual(secretNames);
  });

  test('hides a private key that stands in the place of the public one', () => {
    const seen = look({ BACKUP_PUBLIC_KEY: 'MC4CAQAwBQYDK2VwBCIEIA' });
    expect(found(seen, 'BACKUP_PUBLIC_KEY')).toMatchObject({ value: null, problems: [expect.any(String)] });
    expect(JSON.stringify(seen)).not.toContain('MC4CAQ');
  });

  test('shows values that cannot be used, each with what is wrong', () => {
    const seen = look({ PORT: 'eighty', TLS_CERT: '/srv/a.pem', JWT_SECRET_FILE: '/nowhere/secret' });
    expect(found(seen, 'PORT')).toMatchObject({
      value: 'eighty',
      problems: ['PORT is "eighty"; expected a whole number from 0 to 65535'],
    });
    const together = 'TLS_CERT and TLS_KEY belong together; set both or neither';
    expect([found(seen, 'TLS_CERT')?.problems, found(seen, 'TLS_KEY')?.problems]).toEqual([
      [together],
      [together],
    ]);
    expect(found(seen, 'JWT_SECRET')).toMatchObject({ value: null, origin: 'file', file: '/nowhere/secret' });
    expect(found(seen, 'JWT_SECRET')?.problems).toEqual([
      expect.stringContaining('JWT_SECRET_FILE names /nowhere/secret, which cannot be used'),
    ]);
    expect(seen.problems).toHaveLength(3);
  });

  test('has the problems that belong to no option', () => {
    const { options, problems } = look({ REST_CORS_ORIGINS: 'https://a.example' });
    expect(problems).toEqual(['REST_CORS_ORIGINS is set, but is no longer read; set CORS_ORIGINS instead']);
    expect(found({ options }, 'CORS_ORIGINS')?.problems).toEqual(problems);
  });
});
