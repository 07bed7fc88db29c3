import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { copyDataDirectory } from '../support/embedded-template.ts';
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
    expect((await run(['config'])).status).toBe(0);
    const slip = await run(['status'], { DB_POOLSIZE: '7', DB_OF_OTHERS: '7' });
    expect(slip.stdout).toMatch(
      /^MEND variables +DB_POOLSIZE in the environment is not an option: did you mean/m,
    );
    expect(slip.stdout).not.toContain('DB_OF_OTHERS');
    expect(readdirSync(home)).toEqual([]);
  });

  it('backups and verify say that the store does not exist', async () => {
    for (const command of [['backups'], ['backup', 'verify']]) {
      const { status, stdout, stderr } = await run(command);
      expect(stderr).toContain('is not a directory: BACKUP_STORE names another place');
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    }
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
    copyDataDirectory(join(inject('embeddedTemplate'), 'empty'), join(home, 'data', 'postgres'));
    for (const line of ['tenant list', 'alerts']) {
      const { status, stderr } = await run(line.split(' '));
      expect(stderr).toContain('no schema yet: lightning migrate makes it');
      expect(status).toBe(1);
    }
    expect(existsSync(join(home, 'data', 'jwt-secret'))).toBe(false);
  });
});

describe('a migrated database', () => {
  it(
    'is closed by every command without a timer that would hold the process',
    { timeout: 60_000 },
    async () => {
      copyDataDirectory(join(inject('embeddedTemplate'), 'migrated'), join(home, 'data', 'postgres'));
      // The timer with which vitest reports that this test began ends first.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
      for (const line of ['status', 'retention', 'backup']) {
        const before = timers();
        const { status, stderr } = await run(line.split(' '));
        expect([line, status, timers() - before], stderr).toEqual([line, 0, 0]);
      }
    },
  );
});
