import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config/parse-config.ts';
import { describeChoice, doubtChoice } from '../src/database-choice.ts';
import { takeEnvironment } from '../src/environment.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'environment-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const secret = 'x'.repeat(32);
const url = 'postgres://agent_user:hunter2@db.example:5433/app';
const take = (exported: Record<string, string>, dotEnv?: string | Buffer) => {
  if (dotEnv !== undefined) writeFileSync(join(home, '.env'), dotEnv);
  return takeEnvironment(exported, home);
};

describe('the environment', () => {
  it('is the exported variables, and those that only .env has', () => {
    const own: Record<string, string> = { PORT: '1', HOST: '' };
    const { variables, exported } = take(
      own,
      'PORT=2\nHOST=0.0.0.0\nexport DATA_DIR="a b"\nAWS_PROFILE=backups\n',
    );
    expect(variables).toEqual({ PORT: '1', HOST: '', DATA_DIR: 'a b', AWS_PROFILE: 'backups' });
    expect(exported).toEqual({ PORT: '1', HOST: '' });
    // Libraries that read the process's own variables find them too.
    expect(own).toEqual(variables);
  });

  it('hides variables of libpq from libraries that read the environment themselves', () => {
    const own: Record<string, string> = {
      PGPORT: '1',
      PGOPTIONS: '-c role=x',
      PGRST_DB_URI: 'u',
      PATH: '/bin',
    };
    const { variables } = take(own, 'PGPASSWORD=x\nPGSSLMODE=require\n');
    expect(own).toEqual({ PGRST_DB_URI: 'u', PATH: '/bin' });
    expect(variables).toMatchObject({ PGPORT: '1', PGPASSWORD: 'x' });
  });

  it.each([
    ['UTF-8 with a mark', Buffer.from('\ufeffPORT=2\n')],
    ['UTF-16, as PowerShell writes it', Buffer.from('\ufeffPORT=2\r\n', 'utf16le')],
  ])('reads a .env in %s', (_, bytes) => {
    expect(take({}, bytes).variables).toEqual({ PORT: '2' });
  });

  it('treats a directory named .env, as Python makes them, as absent', () => {
    mkdirSync(join(home, '.env'));
    expect(take({}).dotEnv.kind).toBe('absent');
  });
});

describe('the choice of the database, and its reason', () => {
  const choice = (exported: Record<string, string>, dotEnv?: string) => {
    const environment = take({ JWT_SECRET: secret, DATA_DIR: join(home, 'data'), ...exported }, dotEnv);
    const config = parseConfig(environment.variables);
    return { words: describeChoice(config, environment), doubt: doubtChoice(config, environment) };
  };

  it.each<[string, Record<string, string>, string | undefined, string]>([
    [
      'a server of .env',
      {},
      `DATABASE_URL=${url}\n`,
      'the server db.example:5433/app, because of DATABASE_URL in HOME/.env',
    ],
    [
      'a server that is exported',
      { DB_HOST: 'db' },
      'PORT=1\n',
      'the server db:5432/agent_lightning, because of DB_HOST in the environment',
    ],
    [
      'none, without .env',
      {},
      undefined,
      'embedded in HOME/data, because neither DATABASE_URL nor DB_HOST is set and HOME/.env does not exist',
    ],
    [
      'none, with .env',
      {},
      'PORT=1\n',
      'embedded in HOME/data, because neither DATABASE_URL nor DB_HOST is set in the environment or in HOME/.env',
    ],
    ['memory', {}, 'USE_DATABASE=false\n', 'in memory, because USE_DATABASE is false in HOME/.env'],
  ])('is said of %s', (_, exported, dotEnv, words) => {
    const chosen = choice(exported, dotEnv);
    expect(chosen).toEqual({ words: words.replaceAll('HOME', home), doubt: null });
    expect(chosen.words).not.toContain('hunter2');
  });

  it.each<[string, Record<string, string>, string, RegExp]>([
    [
      'an empty variable hides the server',
      { DATABASE_URL: '' },
      `DATABASE_URL=${url}\n`,
      /\.env names a server, but DATABASE_URL is exported as empty/,
    ],
    [
      'the line is not one that the loader takes',
      {},
      `DATABASE_URL: ${url}\n`,
      /\.env names a server, but not in a line of the form/,
    ],
  ])('is doubted when %s', (_, exported, dotEnv, doubt) => {
    expect(choice(exported, dotEnv).doubt).toMatch(doubt);
  });

  it('is doubted when .env cannot be read, or lies beside the data but not in the working directory', () => {
    symlinkSync(join(home, '.env'), join(home, '.env'));
    expect(choice({}).doubt).toMatch(/\.env cannot be read \(ELOOP/);
    rmSync(join(home, '.env'));
    mkdirSync(join(home, 'app'));
    writeFileSync(join(home, 'app', '.env'), `DB_HOST=db\n`);
    expect(choice({ DATA_DIR: join(home, 'app', 'data') }).doubt).toMatch(
      /app\/\.env names a server, but is not read/,
    );
  });

  it('is not doubted for a line that is a comment, or sets another variable', () => {
    expect(choice({}, `# DATABASE_URL=${url}\nSHADOW_DATABASE_URL=${url}\nDB_HOST=\n`).doubt).toBeNull();
  });
});
