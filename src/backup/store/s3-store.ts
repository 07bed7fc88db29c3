import {
  DeleteObjectCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Readable, addAbortSignal } from 'node:stream';
import { S3TooSlow, boundedCalls, defaultWaits, makeS3Client } from './s3-client.ts';
import type { S3Waits } from './s3-client.ts';
import { s3Error } from './s3-errors.ts';
import type { S3Location } from './s3-errors.ts';
import { ObjectMissing, checkKey } from './store.ts';
import type { ListedObject, Store } from './store.ts';

/**
 * Size of a part; a smaller object goes up in one request. S3 accepts parts of 5 MB or more, and 10,000 of them per
 * object.
 */
const partBytes = 16 * 1024 * 1024;
/** Parts of one object in flight at a time: this bounds the memory of an upload. */
const parallelParts = 2;
/** The number of times that each stretch of a download may break off and resume where it stopped. */
const resumptions = 5;
/** Bytes by which a download must advance within `callMs`, not counting the time in which the caller does not read. */
const stretchBytes = partBytes;

/**
 * A store in a bucket of S3, or of object storage that speaks its protocol. An object appears when its last part has
 * been accepted; the parts of a failed upload are taken back. Parts from a killed process are not listed, but the
 * storage keeps them until a rule of the bucket (AbortIncompleteMultipartUpload) removes them.
 */
export class S3Store implements Store {
  readonly name: string;
  readonly #client: S3Client;
  readonly #waits: S3Waits;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #location: S3Location;

  /** `waits`: the waits that differ from the default. */
  constructor(location: S3Location, waits: Partial<S3Waits> = {}) {
    const { bucket, prefix } = location;
    this.#location = location;
    this.name = `s3://${bucket}/${prefix}`;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#waits = { ...defaultWaits, ...waits };
    this.#client = makeS3Client(location, this.#waits);
  }

  async put(key: string, source: Readable | Uint8Array, signal?: AbortSignal): Promise<void> {
    checkKey(key);
    signal?.throwIfAborted();
    const target = { Bucket: this.#bucket, Key: this.#prefix + key };
    if (source instanceof Uint8Array && source.length <= partBytes) {
      await this.#explained(
        this.#calls(signal).send(new PutObjectCommand({ ...target, Body: source })),
        signal,
      );
      return;
    }
    // After an abort, a source that has nothing to give ends as well.
    if (signal && source instanceof Readable) addAbortSignal(signal, source);
    const upload = new Upload({
      client: this.#calls(signal),
      params: { ...target, Body: source },
      partSize: partBytes,
      queueSize: parallelParts,
      leavePartsOnError: false,
    });
    try {
      await upload.done();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(source instanceof Readable)) throw s3Error(error, this.#location);
      // A source destroyed by the upload has an error as well, but that error is not the cause.
      const ofSource = source.errored === error;
      source.destroy();
      throw ofSource ? error : s3Error(error, this.#location);
    }
  }

  async get(key: string): Promise<Readable> {
    checkKey(key);
    const first = await this.#open(key, 0, undefined);
    return Readable.from(this.#resumed(key, first), { objectMode: false });
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    const pages = paginateListObjectsV2(
      { client: this.#calls() },
      { Bucket: this.#bucket, Prefix: this.#prefix + prefix },
    );
    for (;;) {
      const page = await this.#explained(pages.next());
      if (page.done) return;
      for (const { Key = '', Size = 0 } of page.value.Contents ?? []) {
        yield { key: Key.slice(this.#prefix.length), bytes: Size };
      }
    }
  }

  async remove(key: string): Promise<void> {
    checkKey(key);
    await this.#explained(
      this.#calls().send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key })),
    );
  }

  #calls(signal?: AbortSignal): S3Client {
    return boundedCalls(this.#client, this.#waits, signal);
  }

  /** The result of a request; its error says what to do. */
  async #explained<T>(request: Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await request;
    } catch (error) {
      signal?.throwIfAborted();
      throw s3Error(error, this.#location);
    }
  }

  async #open(key: string, from: number, etag: string | undefined): Promise<Download> {
    try {
      const found = await this.#calls().send(
        new GetObjectCommand({
          Bucket: this.#bucket,
          Key: this.#prefix + key,
          ...(from > 0 && { Range: `bytes=${from}-`, IfMatch: etag }),
        }),
      );
      if (!(found.Body instanceof Readable)) throw new Error(`${this.name} gave no content for ${key}`);
      return { body: found.Body, bytes: found.ContentLength ?? 0, etag: found.ETag };
    } catch (error) {
      throw error instanceof NoSuchKey
        ? new ObjectMissing(key, this.name, { cause: error })
        : s3Error(error, this.#location);
    }
  }

  /** The content of a download. It resumes when the connection breaks, which may look like a regular end. */
  async *#resumed(key: string, { body: first, bytes: all, etag }: Download): AsyncGenerator<Uint8Array> {
    let body = first;
    let bytes = 0;
    const stretch: Stretch = { end: stretchBytes, resumptions, ms: this.#waits.callMs };
    for (;;) {
      try {
        for await (const chunk of inTime(body, stretch, this.#waits.callMs)) {
          bytes += chunk.length;
          if (bytes >= stretch.end) {
            Object.assign(stretch, { end: bytes + stretchBytes, resumptions, ms: this.#waits.callMs });
          }
          yield chunk;
        }
        if (bytes >= all) return;
        throw new Error(`the download of ${key} from ${this.name} ended after ${bytes} of ${all} bytes`);
      } catch (error) {
        if (stretch.resumptions === 0 || error instanceof S3TooSlow) throw s3Error(error, this.#location);
        stretch.resumptions -= 1;
      } finally {
        body.destroy();
      }
      ({ body } = await this.#open(key, bytes, etag));
    }
  }
}

/** The stretch of a download under way, and the limits left for it. */
interface Stretch {
  /** Bytes of the download at which the next stretch begins. */
  end: number;
  resumptions: number;
  /** Time left for waiting for content. */
  ms: number;
}

/**
 * The chunks of a body. Rejects with S3TooSlow once the waits for them, which count against the stretch, have used up
 * its time.
 */
async function* inTime(body: Readable, stretch: Stretch, callMs: number): AsyncGenerator<Buffer> {
  const chunks = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  for (;;) {
    const askedAt = performance.now();
    const timer = setTimeout(() => body.destroy(new S3TooSlow('the download', callMs)), stretch.ms);
    const next = await chunks.next().finally(() => clearTimeout(timer));
    stretch.ms -= performance.now() - askedAt;
    if (next.done) return;
    yield next.value;
  }
}

interface Download {
  readonly body: Readable;
  /** Bytes left of the object. */
  readonly bytes: number;
  readonly etag: string | undefined;
}
