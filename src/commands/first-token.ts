import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { CommandContext } from './command-context.ts';

/**
 * Tells the first user's token: in the line that it returns, which is for a terminal. Output that is not a terminal ends up in a
 * log, so there the token goes to a file of the data directory that only its owner may read (0600), the log names the file,
 * and there is no line.
 */
export async function tellFirstToken(
  { outputIsTerminal, log }: CommandContext,
  token: string,
  dataDirectory: string,
): Promise<string | null> {
  if (outputIsTerminal) return `Token     ${token}`;
  const file = path.join(dataDirectory, 'first-token');
  try {
    await writeWhole(file, `${token}\n`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `the first token is nowhere, because ${file} cannot be written (${reason}): lightning token prints another`;
    log({ level: 'warning', event: 'first-token', message });
    return null;
  }
  const message = `a token of the role admin, good for a day, is in ${file}`;
  log({ level: 'info', event: 'first-token', message, file });
  return null;
}

async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    // A new file, because an older one may have another mode, and may be open.
    const opened = await open(draft, 'wx', 0o600);
    await opened.writeFile(text).finally(() => opened.close());
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
