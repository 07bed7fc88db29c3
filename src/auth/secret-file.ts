import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { OperationalError } from '../operational-error.ts';

/** Whether the directory of a database holds a secret. */
export function hasSecret(dataDirectory: string): boolean {
  return existsSync(secretPath(dataDirectory));
}

/**
 * The secret that an embedded database keeps beside its data, made at the first call: 32 random bytes in hex,
 * readable by the owner only (0600). Anyone who can read it can sign tokens.
 */
export async function readOrMakeSecret(dataDirectory: string): Promise<string> {
  const file = secretPath(dataDirectory);
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    // A link appears whole or not at all and never replaces a file, so two processes that start at once read
    // the same secret.
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  await chmod(file, 0o600);
  const secret = (await readFile(file, 'utf8')).trim();
  if (secret.length < 32) {
    throw new OperationalError(
      `${file} has ${secret.length} characters; expected 32 or more: remove it to have a new secret made (old tokens end)`,
    );
  }
  return secret;
}

/** The file of the secret in the directory of a database. */
export function secretPath(dataDirectory: string): string {
  return path.join(dataDirectory, 'jwt-secret');
}
