import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deepestParsed, isDeeper } from './json-members.ts';
import type { JsonItem, Unreadable } from './json-items.ts';

/** An item that was not stored, and the reason. */
export interface Refusal {
  /** Path relative to the imported folder. */
  readonly file: string;
  /** Place in the file's array; null for a file of one item, and for a file that could not be read. */
  readonly index: number | null;
  readonly reason: string;
  /** The item as it was in the file. */
  readonly original: Original;
}

/** An item in its original form: its JSON, or the bytes found in its place. */
export type Original =
  | { readonly item: string }
  | { readonly text: string }
  | { readonly base64: string }
  | { readonly unopened: true };

/** The refusal of an item that was read. */
export function refuseItem(
  file: string,
  { index, text }: Pick<JsonItem, 'index' | 'text'>,
  reason: string,
): Refusal {
  return { file, index, reason, original: isJson(text) ? { item: text } : { text } };
}

/** Items with a bare `NaN` are read although they are not JSON (src/storable-text.ts). */
function isJson(text: string): boolean {
  if (isDeeper(text, deepestParsed)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The refusal of a part that is not JSON. */
export function refuseUnreadable(file: string, { index, bytes, reason }: Unreadable): Refusal {
  const text = bytes.toString('utf8');
  const original = Buffer.from(text, 'utf8').equals(bytes) ? { text } : { base64: bytes.toString('base64') };
  return { file, index, reason, original };
}

/**
 * A refusal as a line of the quarantine file: `file`, `index`, `reason`, and the original. The original is in
 * `item`, digit by digit; in `text` if it is not JSON; or in `base64` if it is not UTF-8 either.
 */
export function quarantineLine({ file, index, reason, original }: Refusal): string {
  const head = JSON.stringify({ file, index, reason, ...('item' in original ? {} : original) });
  if (!('item' in original)) return head;
  // In JSON, line ends occur only between tokens, where a space means the same.
  return `${head.slice(0, -1)},"item":${original.item.replaceAll(/[\r\n]+/g, ' ').trim()}}`;
}

/**
 * The file for one run's refused items: JSON Lines, readable by its owner only. The file is not touched unless
 * an item is refused. The first line replaces an earlier run's file of the same name.
 */
export class QuarantineFile {
  readonly path: string;
  #lines = 0;

  constructor(file: string) {
    this.path = path.resolve(file);
  }

  /** Number of lines that this process has written. */
  get lines(): number {
    return this.#lines;
  }

  async add(refusals: readonly Refusal[]): Promise<void> {
    if (refusals.length === 0) return;
    if (this.#lines === 0) await mkdir(path.dirname(this.path), { recursive: true });
    await writeFile(this.path, refusals.map((refusal) => `${quarantineLine(refusal)}\n`).join(''), {
      mode: 0o600,
      flag: this.#lines === 0 ? 'w' : 'a',
    });
    this.#lines += refusals.length;
  }
}
