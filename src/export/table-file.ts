import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { Readable, pipeline as connect } from 'node:stream';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress, constants } from 'node:zlib';
import { EnvelopeError, seal, unseal } from '../backup/envelope.ts';
import type { EncryptionKey } from '../backup/envelope.ts';
import { longestLine } from './lines.ts';
import { ExportRefused } from './manifest.ts';
import type { Storage, TableFile } from './manifest.ts';

/** Sizes and digests of a file that was written. */
export type Written = Pick<TableFile, 'bytes' | 'sha256' | 'storedBytes' | 'storedSha256'>;

/** How a file is stored. */
export interface Stored {
  readonly storage: Storage;
  /** The name under which it is sealed. */
  readonly label: string;
  /** Null: there is none. */
  readonly key: EncryptionKey | null;
}

/** Writes content into a new file, piece by piece, and syncs it. Rejects when the file exists. */
export async function writeFile(
  path: string,
  content: AsyncIterable<Uint8Array>,
  stored: Stored,
  signal?: AbortSignal,
): Promise<Written> {
  const read = counter();
  const wrote = counter();
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
  const bytes = wrote.through(packed(read.through(content), stored));
  await pipeline(Readable.from(bytes, { objectMode: false }), file, signal ? { signal } : {});
  return {
    bytes: read.bytes,
    sha256: read.digest(),
    storedBytes: wrote.bytes,
    storedSha256: wrote.digest(),
  };
}

/**
 * The content of a table's file that was opened, checked on the way: no more than its manifest says comes out, no line is longer than
 * a line may be, and the end rejects with ExportRefused unless sizes, digests and the number of lines are those of the manifest.
 */
export async function* readFile(
  name: string,
  file: FileHandle,
  expected: TableFile,
  stored: Stored,
): AsyncGenerator<Buffer> {
  const damaged = (what: string, cause?: unknown): ExportRefused =>
    new ExportRefused(`${name} is damaged: ${what}`, { cause });
  const read = counter();
  const raw = counter();
  const source = file.createReadStream({ autoClose: false, start: 0, highWaterMark: 256 * 1024 });
  let lines = 0;
  let length = 0;
  try {
    for await (const piece of read.through(
      unpacked(raw.through(source), stored, expected.storedBytes),
    ) as AsyncGenerator<Buffer>) {
      if (read.bytes > expected.bytes) {
        throw damaged(`its content has more than the ${expected.bytes} bytes that the manifest names`);
      }
      for (let from = 0; from < piece.length;) {
        const end = piece.indexOf(0x0a, from);
        length += (end < 0 ? piece.length : end + 1) - from;
        if (length > longestLine) throw damaged(`line ${lines + 1} is longer than ${longestLine} bytes`);
        from = end < 0 ? piece.length : end + 1;
        if (end < 0) continue;
        lines += 1;
        length = 0;
      }
      yield piece;
    }
  } catch (error) {
    if (error instanceof EnvelopeError) throw damaged(error.message, error);
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z')) {
      throw damaged(`it cannot be decompressed (${error.message})`, error);
    }
    throw error;
  } finally {
    source.destroy();
  }
  if (length > 0) throw damaged('its last line has no end');
  if (raw.digest() !== expected.storedSha256) throw damaged('its SHA-256 is not the one of the manifest');
  if (read.bytes !== expected.bytes) {
    throw damaged(`its content has ${read.bytes} bytes, and the manifest says ${expected.bytes}`);
  }
  if (read.digest() !== expected.sha256)
    throw damaged('the SHA-256 of its content is not the one of the manifest');
  if (lines !== expected.rows) {
    throw damaged(`it has ${lines} rows, and the manifest says ${expected.rows}`);
  }
}

function packed(
  content: AsyncIterable<Uint8Array>,
  { storage, label, key }: Stored,
): AsyncIterable<Uint8Array> {
  switch (storage) {
    case 'plain':
      return content;
    case 'gzip':
      return through(content, createGzip());
    case 'zstd':
      return through(content, createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } }));
    case 'sealed':
      return seal(label, key, content);
    default:
      return storage satisfies never;
  }
}

function unpacked(
  bytes: AsyncIterable<Uint8Array>,
  { storage, label, key }: Stored,
  storedBytes: number,
): AsyncIterable<Uint8Array> {
  switch (storage) {
    case 'plain':
      return bytes;
    case 'gzip':
      return through(bytes, createGunzip());
    case 'zstd':
      return through(bytes, createZstdDecompress());
    case 'sealed':
      return unseal(label, key, storedBytes, bytes);
    default:
      return storage satisfies never;
  }
}

/** What comes out of a stream. Errors arrive at the last stream, and that is the one being read. */
function through(bytes: AsyncIterable<Uint8Array>, transform: Transform): AsyncIterable<Uint8Array> {
  return connect(Readable.from(bytes, { objectMode: false }), transform, () => undefined);
}

/** Counts and hashes what passes. */
function counter(): {
  readonly bytes: number;
  through(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>;
  digest(): string;
} {
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    async *through(source) {
      for await (const piece of source) {
        bytes += piece.length;
        hash.update(piece);
        yield piece;
      }
    },
    digest: () => hash.copy().digest('hex'),
  };
}
