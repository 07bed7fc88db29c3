/** A part of a file before it is parsed. `fault` describes what is already known to be wrong with it. */
export interface Piece {
  readonly index: number | null;
  readonly bytes: Buffer;
  readonly fault?: string;
}

const code = {
  quote: 0x22,
  comma: 0x2c,
  backslash: 0x5c,
  openBracket: 0x5b,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

/**
 * Cuts a JSON array at the commas between its items, as its bytes arrive, and holds no more than the item that is not complete yet.
 * Non-ASCII bytes of UTF-8 never look like ASCII. Bytes that are not an array give no pieces.
 */
export class ArrayCutter {
  /** What has arrived and is not part of a piece yet. */
  #rest: Buffer = Buffer.alloc(0);
  /** How far `#rest` has been looked at. */
  #at = 0;
  #pieces = 0;
  #depth = 0;
  #inString = false;
  #state: 'before' | 'items' | 'after' | 'none' = 'before';

  /** Whether what arrived so far is an array. */
  get isArray(): boolean {
    return this.#state === 'items' || this.#state === 'after';
  }

  /** The length of the item that is not complete yet. */
  get openBytes(): number {
    return this.#rest.length;
  }

  /** The items that these bytes complete. */
  cut(bytes: Buffer): Piece[] {
    const pieces: Piece[] = [];
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    if (this.#state === 'before') this.#begin();
    if (this.#state !== 'items') {
      // What is no array is only looked at by who reads it as something else.
      if (this.#state === 'none') this.#rest = Buffer.alloc(0);
      return pieces;
    }
    const rest = this.#rest;
    let start = 0;
    let i = this.#at;
    for (; i < rest.length; i += 1) {
      const byte = rest[i];
      if (this.#inString) {
        if (byte === code.backslash) i += 1;
        else if (byte === code.quote) this.#inString = false;
      } else if (byte === code.quote) {
        this.#inString = true;
      } else if (byte === code.openBracket || byte === code.openBrace) {
        this.#depth += 1;
      } else if (this.#depth > 0 && (byte === code.closeBracket || byte === code.closeBrace)) {
        this.#depth -= 1;
      } else if (this.#depth === 0 && (byte === code.comma || byte === code.closeBracket)) {
        // The array may be empty, and a last comma has no item behind it.
        const piece = trimmed(rest, start, i);
        if (piece.length > 0 || byte === code.comma) pieces.push(this.#piece(piece));
        start = i + 1;
        if (byte === code.comma) continue;
        this.#state = 'after';
        i = start;
        break;
      }
    }
    this.#rest = rest.subarray(start);
    this.#at = i - start;
    return pieces;
  }

  /** What is left at the end of the file: an item that breaks off, or what follows the array. */
  end(): Piece[] {
    if (!this.isArray) return [];
    const piece = trimmed(this.#rest, 0, this.#rest.length);
    if (this.#state === 'after') {
      return piece.length === 0 ? [] : [this.#piece(piece, 'the file goes on after the end of its array')];
    }
    const fault = 'the file breaks off before its array ends';
    // When it breaks off right after a comma no item is lost, but the file is not complete.
    return [piece.length > 0 ? this.#piece(piece, fault) : { index: null, bytes: Buffer.alloc(0), fault }];
  }

  #begin(): void {
    const start = skipSpace(this.#rest, 0);
    if (start === this.#rest.length) return;
    this.#state = this.#rest[start] === code.openBracket ? 'items' : 'none';
    this.#rest = this.#rest.subarray(start + 1);
  }

  #piece(bytes: Buffer, fault?: string): Piece {
    this.#pieces += 1;
    return { index: this.#pieces - 1, bytes, ...(fault === undefined ? {} : { fault }) };
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && isSpace(bytes[at])) at += 1;
  return at;
}

function trimmed(bytes: Buffer, from: number, to: number): Buffer {
  const start = skipSpace(bytes, from);
  let end = to;
  while (end > start && isSpace(bytes[end - 1])) end -= 1;
  return bytes.subarray(Math.min(start, end), end);
}
