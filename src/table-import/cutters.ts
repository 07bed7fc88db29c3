import type { Piece } from '../import/array-cutter.ts';

/** Cuts bytes into records as they arrive. It holds no more than the record that is not complete. */
export interface Cutter {
  readonly openBytes: number;
  cut(bytes: Buffer): Piece[];
  end(): Piece[];
}

const newline = 0x0a;

/** Cuts lines. Empty ones are left out. */
export class LineCutter implements Cutter {
  #rest: Buffer[] = [];
  #records = 0;

  get openBytes(): number {
    return this.#rest.reduce((sum, { length }) => sum + length, 0);
  }

  cut(bytes: Buffer): Piece[] {
    const pieces: Piece[] = [];
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      this.#rest.push(bytes.subarray(start, end));
      this.#take(pieces);
      start = end + 1;
    }
    if (start < bytes.length) this.#rest.push(bytes.subarray(start));
    return pieces;
  }

  end(): Piece[] {
    const pieces: Piece[] = [];
    this.#take(pieces);
    return pieces;
  }

  #take(pieces: Piece[]): void {
    const [only] = this.#rest;
    const line = this.#rest.length === 1 && only ? only : Buffer.concat(this.#rest);
    this.#rest = [];
    if (isEmpty(line)) return;
    pieces.push({ index: this.#records, bytes: line });
    this.#records += 1;
  }
}

/** Cuts records of CSV, in whose quoted fields a line may end. Empty lines are left out. The header is the first record, -1. */
export class CsvCutter implements Cutter {
  #rest: Buffer = Buffer.alloc(0);
  #at = 0;
  #records = -1;
  /** `quote`: a quotation mark in a quoted field, which ends it unless another follows. */
  #within: 'start' | 'plain' | 'quoted' | 'quote' = 'start';

  get openBytes(): number {
    return this.#rest.length;
  }

  cut(bytes: Buffer): Piece[] {
    const pieces: Piece[] = [];
    const rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let start = 0;
    for (let i = this.#at; i < rest.length; i += 1) {
      const byte = rest[i];
      if (this.#within === 'quoted') {
        if (byte === 0x22) this.#within = 'quote';
      } else if (byte === newline) {
        this.#take(rest.subarray(start, i), pieces);
        start = i + 1;
        this.#within = 'start';
      } else if (byte === 0x2c) this.#within = 'start';
      else if (byte === 0x22 && this.#within !== 'plain') this.#within = 'quoted';
      else this.#within = 'plain';
    }
    this.#rest = rest.subarray(start);
    this.#at = this.#rest.length;
    return pieces;
  }

  end(): Piece[] {
    const pieces: Piece[] = [];
    this.#take(this.#rest, pieces);
    this.#rest = Buffer.alloc(0);
    return pieces;
  }

  #take(record: Buffer, pieces: Piece[]): void {
    if (isEmpty(record)) return;
    pieces.push({ index: this.#records, bytes: record });
    this.#records += 1;
  }
}

function isEmpty(line: Buffer): boolean {
  return line.length === 0 || (line.length === 1 && line[0] === 0x0d);
}
