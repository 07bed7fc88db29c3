import { readFileSync, statSync } from 'node:fs';
import type { Variables } from '../environment.ts';
import { fileVariable, secretNames } from './options.ts';

/** A key set of a hundred RSA keys has 60 kB. */
const mostBytes = 1_048_576;

/**
 * The environment with the content of each `<secret>_FILE` as the secret itself. A file that cannot be used, or a secret that
 * is given twice, adds a sentence to `problems`, which names the file and never what is in it.
 */
export function withSecretFiles(env: Variables, problems: string[]): Variables {
  const found: Record<string, string> = {};
  for (const name of secretNames) {
    const variable = fileVariable(name);
    const file = env[variable];
    if (file === undefined || file === '') continue;
    if (env[name]) {
      problems.push(`${name} and ${variable} are both set; expected one of them`);
      continue;
    }
    try {
      found[name] = readSecretFile(file);
    } catch (error) {
      problems.push(
        `${variable} names ${file}, which cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  return { ...env, ...found };
}

/** The text of a file without the newline at its end. Throws an Error without a word of the content. */
function readSecretFile(file: string): string {
  if (statSync(file).size > mostBytes) throw new Error(`it has more than ${mostBytes} bytes`);
  const bytes = readFileSync(file);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw new Error('it is not UTF-8 text');
  }
  if (text === '') throw new Error('it is empty');
  if (text.includes('\0')) throw new Error('it has NUL bytes; PowerShell writes UTF-16 with `>`');
  return text;
}
