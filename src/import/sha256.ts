import { createHash } from 'node:crypto';

/** SHA-256 of a text's UTF-8, in hex: `encode(sha256(convert_to(text, 'UTF8')), 'hex')` in Postgres. */
export function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
