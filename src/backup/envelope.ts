import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Readable, pipeline } from 'node:stream';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { constants, createZstdCompress, createZstdDecompress, zstdDecompress } from 'node:zlib';
import { OperationalError } from '../operational-error.ts';

// How an object's content is stored: `ALDB1`, a byte of flags (1 compressed by zstd, which all are; 2 encrypted), and
// - not encrypted: the compressed content;
// - encrypted by AES-256-GCM: a random nonce of 12 bytes, the ciphertext, a tag of 16 bytes. Header and label (what the object
//   is called) are authenticated with it, so that one object cannot stand in for another.

/** A key of AES-256: 32 bytes. */
export type EncryptionKey = Uint8Array;

/** Stored bytes that cannot be read. The message continues a sentence that begins with the object's name. */
export class EnvelopeError extends OperationalError {
  override name = 'EnvelopeError';
}

const magic = Buffer.from('ALDB1');
const flagCompressed = 1;
const flagEncrypted = 2;
const headerBytes = magic.length + 1;
const nonceBytes = 12;
const tagBytes = 16;
const algorithm = 'aes-256-gcm';

// The fastest level: on Postgres's pages it takes a third of the time of level 3, and compresses as well.
const compression = {
  chunkSize: 512 * 1024,
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
};

/** Turns content that comes piece by piece into stored bytes. They stay in memory. */
export interface Sealing {
  /**
   * Takes the next piece. When it resolves, the caller may reuse the piece's memory. Pieces of a megabyte are best:
   * each one waits for a turn of a thread, and for small pieces that costs more than compressing them.
   */
  write(piece: Uint8Array): Promise<void>;
  /** All stored bytes, in order. Call it once, after the last piece. */
  end(): Promise<readonly Uint8Array[]>;
}

/** Seals an object whose name is `label`. */
export function sealing(label: string, key: EncryptionKey | null): Sealing {
  const wrapping = wrap(label, key);
  const stored: Uint8Array[] = [...wrapping.opening];
  const zstd = createZstdCompress(compression).on('data', (bytes: Buffer) => {
    stored.push(wrapping.bytes(bytes));
  });
  return {
    write: (piece) =>
      new Promise((resolve, reject) => {
        zstd.write(piece, (error) => (error ? reject(error) : resolve()));
      }),
    end: async () => {
      await finished(zstd.end());
      stored.push(...wrapping.closing());
      return stored;
    },
  };
}

/** The stored bytes of content that is too large for memory, as `sealing` would make them. */
export async function* seal(
  label: string,
  key: EncryptionKey | null,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const wrapping = wrap(label, key);
  yield* wrapping.opening;
  const compressed = pipeline(
    Readable.from(content, { objectMode: false }),
    createZstdCompress(compression),
    () => undefined,
  );
  for await (const bytes of compressed as AsyncIterable<Buffer>) yield wrapping.bytes(bytes);
  yield* wrapping.closing();
}

/** What stands around compressed content: the header, the encryption if there is a key, and the tag at the end. */
function wrap(
  label: string,
  key: EncryptionKey | null,
): { opening: readonly Uint8Array[]; bytes(piece: Buffer): Uint8Array; closing(): readonly Uint8Array[] } {
  const header = headerOf(key !== null);
  if (!key) return { opening: [header], bytes: (piece) => piece, closing: () => [] };
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce);
  cipher.setAAD(associated(header, label));
  return {
    opening: [header, nonce],
    bytes: (piece) => cipher.update(piece),
    closing: () => [cipher.final(), cipher.getAuthTag()],
  };
}

/**
 * The content of stored bytes, `storedBytes` of them according to somebody else's record. Fails with EnvelopeError
 * for bytes that `sealing` did not make. Encrypted content comes out before its tag, at the end, is checked.
 */
export async function* unseal(
  label: string,
  key: EncryptionKey | null,
  storedBytes: number,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const reader = new PieceReader(source);
  const header = await reader.take(headerBytes);
  const cipherKey = readHeader(header, key);
  const bytes = cipherKey
    ? decrypted(reader, cipherKey, associated(header, label), storedBytes)
    : reader.rest();
  const content = Readable.from(endKnown(bytes), { objectMode: false });
  try {
    // Errors arrive at the last stream, and that is the one being read.
    yield* pipeline(content, createZstdDecompress(), () => undefined) as AsyncIterable<Buffer>;
  } catch (error) {
    throw asEnvelopeError(error, cipherKey !== null);
  }
  if (!reader.exhausted) throw new EnvelopeError('something follows its content');
}

/** The content of stored bytes in memory. Rejects with EnvelopeError. */
export async function unsealBytes(label: string, key: EncryptionKey | null, stored: Buffer): Promise<Buffer> {
  const header = stored.subarray(0, headerBytes);
  const cipherKey = readHeader(header, key);
  let body = stored.subarray(headerBytes);
  if (cipherKey) {
    if (body.length < nonceBytes + tagBytes) throw new EnvelopeError('it is shorter or longer than it was');
    const decipher = createDecipheriv(algorithm, cipherKey, body.subarray(0, nonceBytes));
    decipher.setAAD(associated(header, label));
    decipher.setAuthTag(body.subarray(-tagBytes));
    body = decipher.update(body.subarray(nonceBytes, -tagBytes));
    try {
      decipher.final();
    } catch (error) {
      throw new EnvelopeError(undecipherable, { cause: error });
    }
  }
  try {
    return await promisify(zstdDecompress)(body);
  } catch (error) {
    throw asEnvelopeError(error, cipherKey !== null);
  }
}

function headerOf(encrypted: boolean): Buffer {
  return Buffer.concat([magic, Buffer.of(encrypted ? flagCompressed | flagEncrypted : flagCompressed)]);
}

/** The key for the rest of the object; null: it is not encrypted. */
function readHeader(header: Buffer, key: EncryptionKey | null): EncryptionKey | null {
  if (header.length < headerBytes) throw new EnvelopeError('it ends within its header');
  if (!header.subarray(0, magic.length).equals(magic)) {
    throw new EnvelopeError('it does not begin as an object of a backup does');
  }
  const flags = header[magic.length];
  if (flags === flagCompressed) return null;
  if (flags !== (flagCompressed | flagEncrypted)) {
    throw new EnvelopeError(`its flags are ${flags}, which this release does not know`);
  }
  if (!key) throw new EnvelopeError('it is encrypted, and BACKUP_ENCRYPTION_KEY is not set');
  return key;
}

const undecipherable =
  'it cannot be decrypted: it was changed, it is not what was stored under this name, or BACKUP_ENCRYPTION_KEY is another one';

/** Puts zstd's errors in our words. Others, such as a lost connection, stay as they are. */
function asEnvelopeError(error: unknown, encrypted: boolean): unknown {
  if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('Z'))) return error;
  // A wrong key gives bytes that are not zstd, and that may show before the tag is reached.
  return new EnvelopeError(encrypted ? undecipherable : `it cannot be decompressed (${error.message})`, {
    cause: error,
  });
}

async function* decrypted(
  reader: PieceReader,
  key: EncryptionKey,
  data: Buffer,
  storedBytes: number,
): AsyncGenerator<Uint8Array> {
  const decipher = createDecipheriv(algorithm, key, await reader.take(nonceBytes));
  decipher.setAAD(data);
  let left = storedBytes - headerBytes - nonceBytes - tagBytes;
  const tag: Uint8Array[] = [];
  for await (const piece of reader.rest()) {
    const body = piece.subarray(0, Math.max(left, 0));
    left -= body.length;
    if (body.length < piece.length) tag.push(piece.subarray(body.length));
    if (body.length > 0) yield decipher.update(body);
  }
  const found = Buffer.concat(tag);
  if (left !== 0 || found.length !== tagBytes) throw new EnvelopeError('it is shorter or longer than it was');
  decipher.setAuthTag(found);
  try {
    decipher.final();
  } catch (error) {
    throw new EnvelopeError(undecipherable, { cause: error });
  }
}

/**
 * The same pieces, but the last one only once it is known to be the last: by then the check at the end has been made.
 * zstd's stream ends with its frame and would not wait for that check.
 */
async function* endKnown(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array | undefined;
  for await (const piece of pieces) {
    if (held) yield held;
    held = piece;
  }
  if (held) yield held;
}

/** Takes exact numbers of bytes from the beginning of a stream, then the rest. */
class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #pending = Buffer.alloc(0);
  /** Whether the source has ended. */
  exhausted = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  async take(count: number): Promise<Buffer> {
    while (this.#pending.length < count) {
      const next = await this.#pieces.next();
      if (next.done) throw new EnvelopeError('it ends within its header');
      this.#pending = Buffer.concat([this.#pending, next.value]);
    }
    const taken = this.#pending.subarray(0, count);
    this.#pending = this.#pending.subarray(count);
    return taken;
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    try {
      if (this.#pending.length > 0) yield this.#pending;
      for (let next = await this.#pieces.next(); !next.done; next = await this.#pieces.next())
        yield next.value;
      this.exhausted = true;
    } finally {
      // Closes the source when the caller does not want the rest.
      await this.#pieces.return?.();
    }
  }
}

function associated(header: Buffer, label: string): Buffer {
  return Buffer.concat([header, Buffer.from(label, 'utf8')]);
}
