import { randomBytes } from 'node:crypto';
import { chown, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { OperationalError } from '../operational-error.ts';

/** The file cannot be changed safely. The message says why, and what to do. */
export class EnvFileError extends OperationalError {
  override name = 'EnvFileError';
}

/** A file of variables that was read. A missing file counts as empty. */
export interface EnvFile {
  /** Absolute; the target where a symbolic link was named. */
  readonly path: string;
  readonly text: string;
  /** The variables as Node's own loader reads them. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** Reads a file of variables, and makes sure that it can be written. Rejects with EnvFileError. */
export async function readEnvFile(file: string): Promise<EnvFile> {
  const named = path.resolve(file);
  try {
    const target = await realpath(named).catch(unless('ENOENT', named));
    // A new file will replace it, so its directory must be writable. This is checked now, because passwords are
    // made only once.
    const draft = draftOf(target);
    await (await open(draft, 'wx', 0o600)).close();
    await rm(draft);
    const text = await readFile(target, 'utf8').catch(unless('ENOENT', ''));
    if (text.includes('\0'))
      throw new Error('expected UTF-8 text and found NUL bytes; PowerShell writes UTF-16 with `>`');
    return { path: target, text, variables: parseEnv(text) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EnvFileError(`${named} cannot be written: ${reason}`, { cause: error });
  }
}

/**
 * Writes variables into a file that was read: known ones in place, new ones at the end, and every other line
 * unchanged. The write happens as a whole or not at all, and the file is readable by its owner only (0600) from
 * the first byte on. Rejects with EnvFileError.
 */
export async function writeEnvFile(
  { path: target, text }: EnvFile,
  variables: Readonly<Record<string, string>>,
): Promise<void> {
  const changed = withVariables(text, variables);
  if (changed === null) {
    throw new EnvFileError(
      `${target} has lines that cannot be changed without changing other variables; edit it by hand`,
    );
  }
  const draft = draftOf(target);
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(changed);
      await file.sync();
    } finally {
      await file.close();
    }
    // Root may write another user's file, and that user must be able to read it afterwards.
    const before = await stat(target).catch(unless('ENOENT', null));
    if (before && process.getuid?.() === 0) await chown(draft, before.uid, before.gid);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    const reason = error instanceof Error ? error.message : String(error);
    throw new EnvFileError(`${target} cannot be written: ${reason}`, { cause: error });
  }
}

/**
 * The text of a file of variables with these set. Null when that would change other variables: the result is
 * parsed again and compared.
 */
export function withVariables(text: string, variables: Readonly<Record<string, string>>): string | null {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
  const left = new Map(Object.entries(variables));
  const kept = lines.flatMap((line) => {
    const name = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(line)?.[1] ?? '';
    if (!Object.hasOwn(variables, name)) return [line];
    const value = left.get(name);
    left.delete(name);
    // A second line with the same name would win over the first, so it is dropped.
    return value === undefined ? [] : [assignment(name, value)];
  });
  const added = [...left].map(([name, value]) => assignment(name, value));
  const changed = [...kept, ...added].map((line) => `${line}${newline}`).join('');
  const expected = { ...parseEnv(text), ...variables };
  const found = parseEnv(changed);
  const same =
    Object.keys(found).length === Object.keys(expected).length &&
    Object.entries(expected).every(([name, value]) => found[name] === value);
  return same ? changed : null;
}

/**
 * Quotes a value with single quotes unless it is plain: shells, Docker Compose and Node all take those
 * literally.
 */
function assignment(name: string, value: string): string {
  return /^[\w.:/@%+,-]*$/.test(value) ? `${name}=${value}` : `${name}='${value}'`;
}

function draftOf(target: string): string {
  return `${target}.${randomBytes(6).toString('hex')}`;
}

function unless<T>(code: string, instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === code) return instead;
    throw error;
  };
}
