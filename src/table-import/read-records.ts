import type { FileHandle } from 'node:fs/promises';
import { ArrayCutter } from '../import/array-cutter.ts';
import type { Piece } from '../import/array-cutter.ts';
import { ImportError } from '../import/read-stores.ts';
import { withoutByteOrderMark } from '../storable-text.ts';
import type { Content } from './content.ts';
import { unpacked } from './content.ts';
import { CsvCutter, LineCutter } from './cutters.ts';
import type { Cutter } from './cutters.ts';

/** The longest record: a line of JSON Lines, an item of an array, a record of CSV. */
export const longestRecord = 16 * 1024 * 1024;

/**
 * The records of a file, as many as came at once. The first of CSV is the header, with the index -1. Rejects with ImportError for a record that
 * is too long, and for what cannot be unpacked.
 */
export async function* readRecords(
  file: string,
  handle: FileHandle,
  { packing, form }: Content,
  signal: AbortSignal,
): AsyncGenerator<Piece[]> {
  const cutter = cutterOf(form);
  let records = 0;
  let isFirst = true;
  const refuseLong = (): void => {
    if (cutter.openBytes > longestRecord)
      throw new ImportError(
        `record ${records + 1} of ${file} has more than ${longestRecord} bytes, the most that one may have`,
      );
  };
  for await (const piece of unpacked(file, handle, packing, signal)) {
    const found = cutter.cut(isFirst ? withoutByteOrderMark(piece) : piece);
    isFirst = false;
    records += found.length;
    refuseLong();
    if (found.length > 0) yield found;
  }
  const last = cutter.end();
  if (last.length > 0) yield last;
}

function cutterOf(form: Content['form']): Cutter {
  switch (form) {
    case 'JSON':
      return new ArrayCutter();
    case 'JSON Lines':
      return new LineCutter();
    case 'CSV':
      return new CsvCutter();
    default:
      return form satisfies never;
  }
}
