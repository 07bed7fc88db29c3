import { readFile } from 'node:fs/promises';
import { rolePlaceholders } from './roles.ts';

/**
 * Reads a file of sql/ as it is run: with the names of the roles and of the database in place of the
 * placeholders.
 */
export async function readSqlFile(file: string, rolePrefix: string, databaseName: string): Promise<string> {
  const text = await readFile(new URL(`../../sql/${file}`, import.meta.url), 'utf8');
  return fillPlaceholders(text, { ...rolePlaceholders(rolePrefix), ':DATABASE_NAME': databaseName });
}

/** Replaces placeholders the way graphile-migrate does: the whole word after the colon. */
export function fillPlaceholders(text: string, placeholders: Readonly<Record<string, string>>): string {
  const pattern = new RegExp(`(?:${Object.keys(placeholders).join('|')})\\b`, 'g');
  return text.replace(pattern, (name) => placeholders[name] ?? name);
}
