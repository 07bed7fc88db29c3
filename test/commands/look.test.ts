import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { lightningHere } from '../support/lightning-here.ts';

/** Runs a command line in a new, empty directory. */
const run = (argv: readonly string[], env: Record<string, string> = {}) =>
  lightningHere(argv, { DATA_DIR: join(home, 'data'), ...env });

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'look-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('without an embedded database', () => {
  it.each([
    ['jobs'],
    ['alerts'],
    ['tenant list'],
    ['token'],
    ['retention --dry-run'],
    // Commands that work on a database do not find one.
    ['jobs run trim_events'],
    ['retention'],
    ['backup'],
    ['backup drill'],
    ['tenant suspend acme'],
    ['login create ann --tenant default'],
  ])('%s makes none, and says what to do', async (line) => {
    const { status, stdout, stderr } = await run(line.split(' '));
    expect(stderr).toContain(`there is no database in ${join(home, 'data')}: lightning start makes one`);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(readdirSync(home)).toEqual([]);
  });

  it('status says so, and --check exits with 3', async () => {
    const looked = await run(['status']);
    expect(looked.stdout).toMatch(
      /^ok +configured +embedded in .*data, because neither DATABASE_URL nor DB_HOST/m,
    );
    expect(looked.stdout).toMatch(/^MEND database +none$/m);
    expect(looked.status).toBe(0);
    expect((await run(['status', '--check'])).status).toBe(3);
    expect((await run(['status', '--config'])).status).toBe(0);
    expect(readdirSync(home)).toEqual([]);
  });

  it('backups lists none, and verify finds none to check', async () => {
    expect(await run(['backups'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('holds no backups'),
    });
    expect((await run(['backup', 'verify'])).status).toBe(1);
    expect(readdirSync(home)).toEqual([]);
  });

  it('a database in memory cannot be inspected from outside', async () => {
    const { status, stderr } = await run(['tenant', 'list'], { USE_DATABASE: 'false' });
    expect(stderr).toContain('USE_DATABASE=false keeps nothing');
    expect(status).toBe(1);
  });
});

describe('a database without a schema', () => {
  it('is not migrated by commands that only look', { timeout: 60_000 }, async () => {
    // The state that a start leaves when it is killed before it migrates.
    await cp(join(inject('embeddedTemplate'), 'empty'), join(home, 'data', 'postgres'), { recursive: true });
    for (const line of ['tenant list', 'alerts']) {
      const { status, stderr } = await run(line.split(' '));
      expect(stderr).toContain('no schema yet: lightning migrate makes it');
      expect(status).toBe(1);
    }
    expect(existsSync(join(home, 'data', 'jwt-secret'))).toBe(false);
  });
});
