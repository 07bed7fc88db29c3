import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightningHere } from '../support/lightning-here.ts';

describe('commands that list', { timeout: 60_000 }, () => {
  let directory: string;
  let store: string;
  beforeAll(async () => {
    directory = await migratedDataDirectory();
    store = await mkdtemp(path.join(tmpdir(), 'lightning-listing-'));
  }, 60_000);
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
    await rm(store, { recursive: true, force: true });
  });

  const run = async (line: string): Promise<string> => {
    const { status, stdout, stderr } = await lightningHere(line.split(' '), {
      DATA_DIR: directory,
      BACKUP_STORE: store,
    });
    expect(status, stderr).toBe(0);
    return stdout;
  };
  const documentOf = async (line: string): Promise<unknown> => JSON.parse(await run(`${line} --json`));

  test.each([
    ['jobs', 'no job is running, waiting or failed\n'],
    ['alerts', 'nothing is wrong\n'],
    ['alerts --all', 'nothing is wrong, and nothing was in the last thirty days\n'],
    ['retention --dry-run', 'nothing would be removed\n'],
    ['backups', expect.stringMatching(/holds no backups\n/)],
  ])('%s says that there is nothing', async (line, said) => {
    expect(await run(line)).toEqual(said);
    const document = await documentOf(line);
    expect(Array.isArray(document) ? document : (document as { backups: unknown }).backups).toEqual([]);
  });

  test('tenant list --json has every tenant with all its fields', async () => {
    await run('tenant create acme');
    const tenants = (await documentOf('tenant list')) as object[];
    expect(tenants).toEqual(
      ['acme', 'default'].map((id) => ({
        id,
        name: expect.any(String),
        suspended_at: null,
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        logins: [],
      })),
    );
  });

  test('status --json has a member for each line', async () => {
    expect(await documentOf('status')).toContainEqual({ name: 'schema', ok: true, found: 'current' });
  });

  test('the documents have the names that docs/commands.md lists', async () => {
    const page = await readFile(new URL('../../docs/commands.md', import.meta.url), 'utf8');
    const named = (command: string): string[] => {
      const [, cell = ''] = new RegExp(`^\\| \`${command} --json\` *\\|(.*)\\|$`, 'm').exec(page) ?? [];
      return [...cell.replaceAll(/\([^)]*\)/g, '').matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
    };
    const names = (rows: unknown) => Object.keys((rows as object[])[0] ?? {}).toSorted();
    expect(names(await documentOf('tenant list'))).toEqual(named('tenant list').toSorted());
    expect(names([await documentOf('backups')])).toEqual(named('backups').toSorted());
  });

  test('retention --json goes with --dry-run only', async () => {
    const { status, stderr } = await lightningHere(['retention', '--json'], { DATA_DIR: directory });
    expect([status, stderr]).toEqual([2, 'lightning: --json goes with --dry-run\n']);
  });
});
