import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Vault } from '../vault.ts';
import type { Chunk, FileIndex } from './file-index.ts';

export const chunkFolder = 'chunks/';
/** Size of a chunk of file content, before compression. */
export const chunkBytes = 1024 * 1024;

/**
 * Stores files by their content: a chunk already in the store is not stored again. It is found by its fingerprint
 * among the chunks of an earlier snapshot. Each key also has a random suffix, so that a chunk is never overwritten:
 * encrypted again, it would have other bytes, and the digest that earlier snapshots recorded for it would no longer
 * hold.
 */
export class ChunkStore {
  readonly #vault: Vault;
  readonly #known = new Map<string, Promise<Chunk>>();
  /** Additions to the store so far. */
  newBytes = 0;
  newChunks = 0;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  /**
   * Learns the chunks of an earlier snapshot, except those that the store does not list, or lists with another size.
   */
  async learn(index: FileIndex): Promise<void> {
    const there = new Map<string, number>();
    for await (const { key, bytes } of this.#vault.store.list(chunkFolder)) there.set(key, bytes);
    for (const { chunks } of index.files) {
      for (const chunk of chunks) {
        if (there.get(chunk.key) === chunk.storedBytes) {
          this.#known.set(chunk.fingerprint, Promise.resolve(chunk));
        }
      }
    }
  }

  /** Whether all of the chunks can be used as they are. */
  async has(chunks: readonly Chunk[]): Promise<boolean> {
    for (const { fingerprint, key } of chunks) {
      const known = await this.#known.get(fingerprint);
      if (known?.key !== key) return false;
    }
    return true;
  }

  /** Stores a file. The file must not change meanwhile; the caller finds out whether it did. */
  async storeFile(file: string, signal?: AbortSignal): Promise<{ chunks: Chunk[]; bytes: number }> {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const chunks: Chunk[] = [];
      let bytes = 0;
      while (bytes < size) {
        signal?.throwIfAborted();
        const content = await readPiece(handle, bytes, Math.min(chunkBytes, size - bytes));
        // The file was cut off since.
        if (content.length === 0) break;
        bytes += content.length;
        chunks.push(await this.#store(content, signal));
      }
      return { chunks, bytes };
    } finally {
      await handle.close();
    }
  }

  #store(content: Buffer, signal?: AbortSignal): Promise<Chunk> {
    const fingerprint = this.#vault.fingerprint(content);
    const known = this.#known.get(fingerprint);
    if (known) return known;
    const storing = this.#write(fingerprint, content, signal);
    this.#known.set(fingerprint, storing);
    return storing;
  }

  async #write(fingerprint: string, content: Buffer, signal?: AbortSignal): Promise<Chunk> {
    const key = `${chunkFolder}${fingerprint.slice(0, 2)}/${fingerprint}-${randomBytes(4).toString('hex')}`;
    const stored = await this.#vault.write(key, content, signal);
    this.newBytes += stored.storedBytes;
    this.newChunks++;
    return { ...stored, fingerprint };
  }
}

async function readPiece(handle: FileHandle, position: number, wanted: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(wanted);
  let length = 0;
  while (length < wanted) {
    const { bytesRead } = await handle.read(buffer, length, wanted - length, position + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
