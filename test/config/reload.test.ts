import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reload, valuesIn } from '../../src/config/reload.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reload-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What becomes of these variables in a process that has those. */
const after = (before: Record<string, string>, now: Record<string, string>) => reload(valuesIn(before), now);

test('a value that is live takes effect, and one that is not keeps its former value', () => {
  const found = after(
    { RATE_PER_TENANT: '7', DB_POOL_SIZE: '8' },
    { RATE_PER_TENANT: '9', DB_POOL_SIZE: '10', CORS_ORIGINS: 'https://a.example' },
  );
  expect(found).toMatchObject({
    kind: 'read',
    inEffect: ['RATE_PER_TENANT', 'CORS_ORIGINS'],
    needRestart: ['DB_POOL_SIZE'],
    config: {
      pool: { size: 8 },
      http: { traffic: { perTenant: 9 }, corsOrigins: ['https://a.example'] },
    },
  });
});

test('what needs a restart is named again until it is the former value again', () => {
  const first = after({ DB_POOL_SIZE: '8' }, { DB_POOL_SIZE: '10' });
  const { values } = first as Extract<typeof first, { kind: 'read' }>;
  expect(reload(values, { DB_POOL_SIZE: '10' })).toMatchObject({ needRestart: ['DB_POOL_SIZE'] });
  expect(reload(values, { DB_POOL_SIZE: '8' })).toMatchObject({ needRestart: [], inEffect: [] });
});

test('a value that is gone is the default again, and the default written out is no change', () => {
  expect(after({ REST_MAX_ROWS: '7' }, {})).toMatchObject({
    inEffect: ['REST_MAX_ROWS'],
    config: { rest: { maxRows: 1000 } },
  });
  expect(after({}, { REST_MAX_ROWS: '1000' })).toMatchObject({ inEffect: [], needRestart: [] });
});

test('an environment that is not valid changes nothing, also where its fault is elsewhere', () => {
  expect(after({}, { RATE_PER_TENANT: '9', PORT: 'eighty' })).toEqual({
    kind: 'refused',
    problems: ['PORT is "eighty"; expected a whole number from 0 to 65535'],
  });
});

test('a secret whose file is followed is in effect, and another place of it needs a restart', () => {
  const file = join(folder, 'jwt');
  const other = join(folder, 'other');
  writeFileSync(file, 'x'.repeat(32));
  writeFileSync(other, 'y'.repeat(32));
  const before = valuesIn({ JWT_SECRET_FILE: file });
  writeFileSync(file, 'z'.repeat(32));
  expect(reload(before, { JWT_SECRET_FILE: file })).toMatchObject({
    followed: ['JWT_SECRET'],
    needRestart: [],
  });
  expect(reload(before, { JWT_SECRET_FILE: other })).toMatchObject({
    followed: [],
    needRestart: ['JWT_SECRET'],
  });
  expect(after({ JWT_SECRET: 'x'.repeat(32) }, { JWT_SECRET: 'y'.repeat(32) })).toMatchObject({
    followed: [],
    needRestart: ['JWT_SECRET'],
  });
  // The former file may be gone by now.
  rmSync(file);
  expect(reload(before, { JWT_SECRET_FILE: other })).toMatchObject({ kind: 'read' });
});

test('a live secret is taken from its file', () => {
  const file = join(folder, 'webhook');
  writeFileSync(file, 'https://hooks.example/new');
  const found = after({ ALERT_WEBHOOK_URL: 'https://hooks.example/old' }, { ALERT_WEBHOOK_URL_FILE: file });
  expect(found).toMatchObject({ inEffect: ['ALERT_WEBHOOK_URL'] });
  expect((found as Extract<typeof found, { kind: 'read' }>).config.alertWebhook?.reveal()).toBe(
    'https://hooks.example/new',
  );
});
