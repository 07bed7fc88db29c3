import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { BackupDamaged } from './backup-damaged.ts';
import { EnvelopeError, sealing, unseal, unsealBytes } from './envelope.ts';
import type { EncryptionKey } from './envelope.ts';
import { noSignatures } from './signatures.ts';
import type { Signatures } from './signatures.ts';
import { readSignedList } from './signed-list.ts';
import type { Store } from './store/store.ts';

/** The facts about an object by which it is known again. */
export interface StoredObject {
  readonly key: string;
  /** Size of the content. */
  readonly bytes: number;
  /** Size as stored: compressed, and encrypted if there is a key. */
  readonly storedBytes: number;
  /** In hex, over the stored bytes. */
  readonly sha256: string;
}

/** An object under construction, piece by piece, in memory in its stored form. */
export interface Draft {
  /** Bytes of content so far. */
  readonly bytes: number;
  /** Takes the next piece. When it resolves, the caller may reuse the piece's memory. */
  write(piece: Uint8Array): Promise<void>;
  /** Stores everything written so far. When it rejects, nothing is stored, and the call may be repeated. */
  store(signal?: AbortSignal): Promise<StoredObject>;
}

/** A store whose objects are compressed, encrypted when there is a key, and checked whenever they are read. */
export interface Vault {
  readonly store: Store;
  readonly signatures: Signatures;
  /** Whether the vault encrypts what it writes. */
  readonly encrypts: boolean;
  /** A new object under `key`, to be written in pieces. */
  draft(key: string): Draft;
  /** Stores content under a key. When it rejects, nothing is stored. */
  write(key: string, content: Uint8Array, signal?: AbortSignal): Promise<StoredObject>;
  /**
   * The content. Rejects with ObjectMissing; the stream fails with BackupDamaged, naming the key, when the length,
   * the digest or the tag differs. Do nothing final before its end.
   */
  read(object: StoredObject): Promise<Readable>;
  /** The content of an object that fits into memory. Rejects with ObjectMissing or BackupDamaged. */
  readWhole(object: StoredObject): Promise<Buffer>;
  /**
   * Compares the length and the digest of the stored bytes, without reading the content. Rejects with BackupDamaged
   * or ObjectMissing.
   */
  check(object: StoredObject): Promise<void>;
  /** The stored form of content, in memory, for callers that choose the object's name themselves. */
  seal(label: string, content: Uint8Array): Promise<Buffer>;
  /** The content of bytes that `seal` returned. Rejects with BackupDamaged, naming `member`. */
  unseal(label: string, member: string, stored: Buffer): Promise<Buffer>;
  /**
   * Hex; equal content gives an equal fingerprint. Keyed when the vault encrypts, so that a key in the store reveals
   * nothing about the content.
   */
  fingerprint(content: Uint8Array): string;
  /**
   * Why the object of this name, which has the digest of its content and not the signature, is not to be trusted. Null:
   * it is signed by a trusted key, by itself or in a list (signed-list.ts), or nothing is checked.
   */
  distrust(name: string, signature: string | undefined): Promise<string | null>;
  /** The same vault, with the same keys, over another store. */
  over(store: Store): Vault;
}

/** `encryptionKey`: 32 bytes. Null: nothing is encrypted, and encrypted objects cannot be read. */
export function makeVault(
  store: Store,
  encryptionKey: EncryptionKey | null,
  signatures: Signatures = noSignatures,
): Vault {
  /** Read once, when the first name without a signature is met. */
  let signedList: Promise<ReadonlySet<string>> | null = null;
  const fingerprintKey =
    encryptionKey && Buffer.from(hkdfSync('sha256', encryptionKey, '', 'fingerprints of backups', 32));

  function draft(key: string): Draft {
    const seal = sealing(key, encryptionKey);
    let bytes = 0;
    let sealed: Promise<readonly Uint8Array[]> | null = null;
    return {
      get bytes() {
        return bytes;
      },
      write: (piece) => {
        bytes += piece.length;
        return seal.write(piece);
      },
      store: async (signal) => {
        const stored = await (sealed ??= seal.end());
        await store.put(key, Readable.from(stored, { objectMode: false }), signal);
        return { key, bytes, storedBytes: lengthOf(stored), sha256: digestOf(stored) };
      },
    };
  }

  async function read(object: StoredObject): Promise<Readable> {
    const source = await store.get(object.key);
    const content = unseal(object.key, encryptionKey, object.storedBytes, checked(source, object));
    return Readable.from(guarded(object, content, source), { objectMode: false });
  }

  async function readWhole(object: StoredObject): Promise<Buffer> {
    const { key } = object;
    const stored = await buffer(checked(await store.get(key), object));
    const content = await unsealMember(key, key, stored);
    if (content.length === object.bytes) return content;
    throw new BackupDamaged(key, `its content has ${content.length} bytes, and ${object.bytes} were written`);
  }

  async function unsealMember(label: string, member: string, stored: Buffer): Promise<Buffer> {
    try {
      return await unsealBytes(label, encryptionKey, stored);
    } catch (error) {
      throw error instanceof EnvelopeError
        ? new BackupDamaged(member, error.message, { cause: error })
        : error;
    }
  }

  async function distrust(name: string, signature: string | undefined): Promise<string | null> {
    if (!signatures.checks) return null;
    if (signature !== undefined && signatures.isGood(name, signature)) return null;
    signedList ??= readSignedList(store, signatures);
    if ((await signedList).has(name)) return null;
    return signature === undefined
      ? 'it is not signed (lightning backup sign vouches for what was stored before there was a key; docs/backup.md)'
      : 'its signature is not one of the trusted keys (docs/backup.md)';
  }

  return {
    store,
    signatures,
    encrypts: encryptionKey !== null,
    draft,
    write: async (key, content, signal) => {
      const whole = draft(key);
      await whole.write(content);
      return whole.store(signal);
    },
    read,
    readWhole,
    check: async (object) => {
      for await (const _ of checked(await store.get(object.key), object));
    },
    seal: async (label, content) => {
      const seal = sealing(label, encryptionKey);
      await seal.write(content);
      return Buffer.concat(await seal.end());
    },
    unseal: unsealMember,
    fingerprint: (content) =>
      (fingerprintKey ? createHmac('sha256', fingerprintKey) : createHash('sha256'))
        .update(content)
        .digest('hex'),
    distrust,
    over: (other) => makeVault(other, encryptionKey, signatures),
  };
}

/** The stored bytes; the stream ends with an error when they are not the ones that were written. */
async function* checked(
  source: Readable,
  { key, storedBytes, sha256 }: StoredObject,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    hash.update(chunk);
    yield chunk;
  }
  if (bytes !== storedBytes) {
    throw new BackupDamaged(key, `it has ${bytes} bytes, and ${storedBytes} were stored`);
  }
  const found = hash.digest('hex');
  if (found !== sha256) throw new BackupDamaged(key, `its SHA-256 is ${found}, and ${sha256} was stored`);
}

/**
 * The content, with errors that name the object. The store's own errors, such as a lost connection, do not count as
 * damage.
 */
async function* guarded(
  { key, bytes: expected }: StoredObject,
  content: AsyncIterable<Uint8Array>,
  source: Readable,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of content) {
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== expected) {
      throw new EnvelopeError(`its content has ${bytes} bytes, and ${expected} were written`);
    }
  } catch (error) {
    throw error instanceof EnvelopeError ? new BackupDamaged(key, error.message, { cause: error }) : error;
  } finally {
    source.destroy();
  }
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

function digestOf(pieces: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}
