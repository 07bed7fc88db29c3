import { isUtf8 } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import { pipeline as connect } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { csvRecords } from '../import/csv-records.ts';
import { ImportError } from '../import/read-stores.ts';
import { isSqlite } from '../import/sqlite.ts';
import { withoutByteOrderMark } from '../storable-text.ts';

/** How the bytes of a file are packed, and the form of the rows in them. */
export interface Content {
  readonly packing: 'gzip' | 'zstd' | null;
  readonly form: 'JSON' | 'JSON Lines' | 'CSV';
}

/** What is compressed may grow to so many times its size, and to `alwaysBytes` in any case. */
export const mostGrowth = 100;
export const alwaysBytes = 64 * 1024 * 1024;
/** What is read of a file to tell what it is. */
export const sniffedBytes = 256 * 1024;

/** Beginnings of files that are often met and never read, with what they are. */
const others: readonly (readonly [beginning: Buffer, name: string])[] = [
  [Buffer.from([0x80, 0x02]), 'a Python pickle, which is never loaded'],
  [Buffer.from([0x80, 0x03]), 'a Python pickle, which is never loaded'],
  [Buffer.from([0x80, 0x04]), 'a Python pickle, which is never loaded'],
  [Buffer.from([0x80, 0x05]), 'a Python pickle, which is never loaded'],
  [Buffer.from('PK\x03\x04'), 'a ZIP archive'],
  [Buffer.from('PAR1'), 'a Parquet file'],
  [Buffer.from('PGDMP'), 'a dump of pg_dump, which pg_restore reads'],
  [Buffer.from('\x7fELF'), 'a program, which is never run'],
  [Buffer.from('#!'), 'a script, which is never run'],
  [Buffer.from('BZh'), 'compressed with bzip2'],
  [Buffer.from('\xfd7zXZ', 'latin1'), 'compressed with xz'],
];

/** What a file is, by its content. Rejects with ImportError, which says what it is, when it has no rows in a form that is read. */
export async function contentOf(file: string, handle: FileHandle, signal: AbortSignal): Promise<Content> {
  const start = await firstBytes(
    readStored(handle, 0, () => {}),
    4,
  );
  const packing = packingOf(start);
  const bytes = withoutByteOrderMark(await firstBytes(unpacked(file, handle, packing, signal), sniffedBytes));
  const form = formOf(bytes);
  if (typeof form === 'string') return { packing, form };
  throw new ImportError(
    `${file} is ${form.instead}${packing === null ? '' : `, compressed with ${packing}`}; expected rows as JSON (an array of objects), JSON Lines or CSV with a header`,
  );
}

function packingOf(start: Buffer): Content['packing'] {
  if (start.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]))) return 'gzip';
  if (start.equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))) return 'zstd';
  return null;
}

function formOf(bytes: Buffer): Content['form'] | { readonly instead: string } {
  if (isSqlite(bytes))
    return { instead: 'a database of SQLite, which is read in a folder of the legacy system only' };
  const known = others.find(([beginning]) => bytes.subarray(0, beginning.length).equals(beginning));
  if (known) return { instead: known[1] };
  // The last character may be cut.
  const whole = bytes.length < sniffedBytes ? bytes : bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1 || -4);
  const text = bytes.toString('utf8');
  const first = text.trimStart()[0];
  if (first === '[') return 'JSON';
  if (first === '{')
    return isOneObject(text) ? { instead: 'one JSON object over several lines' } : 'JSON Lines';
  if (first === undefined) return 'JSON Lines';
  // oxlint-disable-next-line no-control-regex -- they tell what is not text
  if (!isUtf8(whole) || /[\0-\x08\x0e-\x1f]/.test(text)) return { instead: 'not text' };
  const [header] = csvRecords(text);
  const isHeader =
    header?.fault === undefined && header?.fields.every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  return isHeader ? 'CSV' : { instead: 'a text of another kind' };
}

/** Whether a text is an object that is written over several lines, and so not a line of JSON Lines. */
function isOneObject(text: string): boolean {
  const [line = ''] = text.trimStart().split('\n', 1);
  return /^\{\s*$/.test(line);
}

const readAtOnce = 256 * 1024;

/** The bytes of a file as they are stored. Read by hand, because a stream of a FileHandle closes it when it ends early. */
async function* readStored(
  handle: FileHandle,
  start: number,
  onRead: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for (let position = start; ;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(readAtOnce), 0, readAtOnce, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    onRead(bytesRead);
    yield buffer.subarray(0, bytesRead);
  }
}

/**
 * What a file contains, unpacked. Rejects with ImportError when it cannot be unpacked, is cut, or grows too far.
 */
export async function* unpacked(
  file: string,
  handle: FileHandle,
  packing: Content['packing'],
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { size } = await handle.stat();
  let read = 0;
  let grown = 0;
  // A file may have several parts, one behind the other. Node reads those of gzip as one, and of zstd the first only.
  for (let from = 0; from < size || from === 0;) {
    // What was read ahead of the end of one part is read again with the next.
    read = from;
    const stored = readStored(handle, from, (bytes) => (read += bytes));
    const unpack = packing === 'gzip' ? createGunzip() : packing === 'zstd' ? createZstdDecompress() : null;
    try {
      const pieces: AsyncIterable<Buffer> =
        unpack === null ? stored : connect(stored, unpack, () => undefined);
      for await (const piece of pieces) {
        signal.throwIfAborted();
        grown += piece.length;
        if (unpack !== null && grown > Math.max(read * mostGrowth, alwaysBytes))
          throw new ImportError(
            `${file} grows to more than ${mostGrowth} times its size when it is unpacked; unpack it, look at it, and import what it had`,
          );
        yield piece;
      }
    } catch (error) {
      if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z'))
        throw new ImportError(`${file} cannot be unpacked: ${error.message}`, { cause: error });
      throw error;
    } finally {
      unpack?.destroy();
      await stored.return(undefined);
    }
    if (packing !== 'zstd' || unpack === null || unpack.bytesWritten === 0) return;
    from += unpack.bytesWritten;
  }
}

async function firstBytes(pieces: AsyncIterable<Buffer>, most: number): Promise<Buffer> {
  const found: Buffer[] = [];
  let length = 0;
  for await (const piece of pieces) {
    found.push(piece);
    length += piece.length;
    if (length >= most) break;
  }
  return Buffer.concat(found).subarray(0, most);
}
