import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { JsonItem, Unreadable } from './json-items.ts';

/** An item that was not stored, and why. */
export interface Refusal {
  /** Relative to the imported folder. */
  readonly file: string;
  /** Place in the file's array; null for a file of one item, and for a file that could not be read. */
  readonly index: number | null;
  readonly reason: string;
  /** As it was in the file. */
  readonly original: Original;
}

/** An item as it was: its JSON, or what it was instead of JSON. */
export type Original =
  | { readonly item: string }
  | { readonly text: string }
  | { readonly base64: string }
  | { readonly unopened: true };

/** The refusal of an item that is JSON. */
export function refuseItem(file: string, item: Pick<JsonItem, 'index' | 'text'>, reason: string): Refusal {
  return { file, index: item.index, reason, original: { item: item.text } };
}

/** The refusal of what is no JSON. */
export function refuseUnreadable(file: string, { index, bytes, reason }: Unreadable): Refusal {
  const text = bytes.toString('utf8');
  const original = Buffer.from(text, 'utf8').equals(bytes) ? { text } : { base64: bytes.toString('base64') };
  return { file, index, reason, original };
}

/**
 * A refusal as a line of the quarantine file: `file`, `index`, `reason`, and the item as it was, digit by digit, in
 * `item`; or in `text` when it is no JSON, or in `base64` when it is no UTF-8 either.
 */
export function quarantineLine({ file, index, reason, original }: Refusal): string {
  const head = JSON.stringify({ file, index, reason, ...('item' in original ? {} : original) });
  if (!('item' in original)) return head;
  // Line ends of JSON stand between its tokens only: as spaces they mean the same.
  return `${head.slice(0, -1)},"item":${original.item.replaceAll(/[\r\n]+/g, ' ').trim()}}`;
}

/**
 * Where one run's refused items go: JSON Lines, readable by the user alone. Nothing is written while nothing is refused;
 * the first line replaces what a former run left under the name.
 */
export class QuarantineFile {
  readonly path: string;
  #lines = 0;

  constructor(file: string) {
    this.path = path.resolve(file);
  }

  /** Lines written by this process. */
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
