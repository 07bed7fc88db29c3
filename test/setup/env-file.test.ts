import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEnvFile, withVariables, writeEnvFile } from '../../src/setup/env-file.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'env-file-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('variables in the text of a file', () => {
  it.each([
    ['an empty file', '', 'A=1\n'],
    ['a file without a last newline', 'B=2', 'B=2\nA=1\n'],
    ['comments, blank lines and other variables', '# A=0\n\nB="x # y"\n', '# A=0\n\nB="x # y"\nA=1\n'],
    ['an older value', 'A=0\nB=2\n', 'A=1\nB=2\n'],
    ['several older values, of which the last would win', 'export A=0\nB=2\n A = 3\n', 'A=1\nB=2\n'],
    ['a variable whose name only begins so', 'AB=2\n', 'AB=2\nA=1\n'],
    ['lines of Windows', 'B=2\r\nA=0\r\n', 'B=2\r\nA=1\r\n'],
    ['a value of several lines', 'KEY="one\ntwo"\n', 'KEY="one\ntwo"\nA=1\n'],
  ])('stand in %s, the rest as it was', (_, before, after) => {
    expect(withVariables(before, { A: '1' })).toBe(after);
  });

  it('are quoted where a shell, Docker Compose or Node would read them differently', () => {
    expect(withVariables('', { A: 'postgres://u:p@h/d?x=1&y=$z #' })).toBe(
      "A='postgres://u:p@h/d?x=1&y=$z #'\n",
    );
  });

  it.each([
    ['a line of a longer value would be changed', 'KEY="one\nA=0\ntwo"\n', { A: '1' }],
    ['the value has what no quotes can hold', '', { A: "it's so" }],
  ])('are refused when %s', (_, before, variables) => {
    expect(withVariables(before, variables)).toBeNull();
  });
});

describe('a file of variables', () => {
  it('is written whole, for its owner only, and a link to it remains a link', async () => {
    const real = join(home, 'real.env');
    writeFileSync(real, 'POSTGRES_PASSWORD=kept\n', { mode: 0o644 });
    symlinkSync(real, join(home, '.env'));
    await writeEnvFile(await readEnvFile(join(home, '.env')), { DATABASE_URL: 'postgres://x/y' });
    expect(readFileSync(real, 'utf8')).toBe('POSTGRES_PASSWORD=kept\nDATABASE_URL=postgres://x/y\n');
    expect(statSync(real).mode & 0o777).toBe(0o600);
    expect(lstatSync(join(home, '.env')).isSymbolicLink()).toBe(true);
    expect(readdirSync(home).toSorted()).toEqual(['.env', 'real.env']);
  });

  it('is created when it does not exist', async () => {
    await writeEnvFile(await readEnvFile(join(home, '.env')), { A: '1' });
    expect(readFileSync(join(home, '.env'), 'utf8')).toBe('A=1\n');
  });

  it('is refused before anything is done when it cannot be written, and is unchanged when a change fails', async () => {
    mkdirSync(join(home, 'venv'));
    await expect(readEnvFile(join(home, 'venv'))).rejects.toThrow(/venv cannot be written: EISDIR/);
    await expect(readEnvFile(join(home, 'none', '.env'))).rejects.toThrow(/cannot be written: ENOENT/);
    writeFileSync(join(home, 'wide.env'), Buffer.from('\ufeffA=1', 'utf16le'));
    await expect(readEnvFile(join(home, 'wide.env'))).rejects.toThrow('expected UTF-8 text');
    const text = 'KEY="one\nA=0\ntwo"\n';
    writeFileSync(join(home, '.env'), text);
    await expect(writeEnvFile(await readEnvFile(join(home, '.env')), { A: '1' })).rejects.toThrow(
      'cannot be changed without changing other variables',
    );
    expect(readFileSync(join(home, '.env'), 'utf8')).toBe(text);
    expect(readdirSync(home).toSorted()).toEqual(['.env', 'venv', 'wide.env']);
  });
});
