import {
  DeleteObjectCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Readable, addAbortSignal } from 'node:stream';
import { s3Error } from './s3-errors.ts';
import type { S3Location } from './s3-errors.ts';
import { ObjectMissing, checkKey } from './store.ts';
import type { ListedObject, Store } from './store.ts';

/** What is smaller goes up in one request. S3 takes parts from 5 MB on, and 10,000 of them. */
const partBytes = 16 * 1024 * 1024;
/** Of an object at a time: what one upload has in memory. */
const parallelParts = 2;
/** Of a request, with pauses in between that grow to 20 s: a part is sent again, never the whole object. */
const defaultAttempts = 8;
/** Of a download that breaks off: it goes on where it was. */
const resumptions = 5;
const connectMs = 10_000;
/** How long a connection may carry nothing, in either direction. */
const defaultSilenceMs = 60_000;
/** How long a request may take until its answer begins: a part of 16 MB over a line of 30 kB/s. */
const requestMs = 600_000;

/**
 * A store in a bucket of S3, or of object storage that speaks its language. An object appears when its last part has been accepted;
 * the parts of an upload that fails are taken back. Those of a process that was killed are not listed, but kept by the storage
 * until a rule of the bucket (AbortIncompleteMultipartUpload) removes them.
 */
export class S3Store implements Store {
  readonly name: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #location: S3Location;

  /**
   * `silenceMs`: how long a connection may carry nothing before it counts as broken; default a minute. `attempts`: how often a request
   * is made before the store counts as unavailable; default 8.
   */
  constructor(location: S3Location, { silenceMs = defaultSilenceMs, attempts = defaultAttempts } = {}) {
    const { bucket, prefix, endpoint, region, credentials } = location;
    this.#location = location;
    this.name = `s3://${bucket}/${prefix}`;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#client = new S3Client({
      region,
      // Where the store is says the configuration, not AWS_ENDPOINT_URL of somebody's shell.
      ignoreConfiguredEndpointUrls: true,
      // A bucket as part of the host's name takes DNS, which few have for a storage of their own.
      ...(endpoint !== null && {
        endpoint,
        forcePathStyle: true,
        useFipsEndpoint: false,
        useDualstackEndpoint: false,
      }),
      ...(credentials && {
        credentials: {
          accessKeyId: credentials.accessKeyId,
          secretAccessKey: credentials.secretAccessKey.reveal(),
          ...(credentials.sessionToken && { sessionToken: credentials.sessionToken.reveal() }),
        },
      }),
      maxAttempts: attempts,
      requestHandler: {
        connectionTimeout: connectMs,
        requestTimeout: requestMs,
        throwOnRequestTimeout: true,
        socketTimeout: silenceMs,
      },
      // The SHA-256 of a body is part of its signature, and the vault checks what it reads; other storages know no CRC32.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  async put(key: string, source: Readable | Uint8Array, signal?: AbortSignal): Promise<void> {
    checkKey(key);
    signal?.throwIfAborted();
    const target = { Bucket: this.#bucket, Key: this.#prefix + key };
    if (source instanceof Uint8Array && source.length <= partBytes) {
      await this.#explained(
        this.#client.send(new PutObjectCommand({ ...target, Body: source }), {
          ...(signal && { abortSignal: signal }),
        }),
        signal,
      );
      return;
    }
    // Aborted, a source that has nothing to give ends as well.
    if (signal && source instanceof Readable) addAbortSignal(signal, source);
    const upload = new Upload({
      client: this.#client,
      params: { ...target, Body: source },
      partSize: partBytes,
      queueSize: parallelParts,
      leavePartsOnError: false,
    });
    try {
      await this.#explained(upload.done(), signal);
    } catch (error) {
      // What comes of taking the parts back is not the news.
      const cause = source instanceof Readable && source.errored;
      if (source instanceof Readable) source.destroy();
      throw cause || error;
    }
  }

  async get(key: string): Promise<Readable> {
    checkKey(key);
    const first = await this.#open(key, 0, undefined);
    return Readable.from(this.#resumed(key, first), { objectMode: false });
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    const pages = paginateListObjectsV2(
      { client: this.#client },
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
      this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key })),
    );
  }

  /** What a request gives; its error says what to do. */
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
      const found = await this.#client.send(
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

  /** A download, going on when its connection breaks, which may look like an end. */
  async *#resumed(key: string, { body: first, bytes: all, etag }: Download): AsyncGenerator<Uint8Array> {
    let body = first;
    let bytes = 0;
    for (let left = resumptions; ; left--) {
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          bytes += chunk.length;
          yield chunk;
        }
        if (bytes >= all) return;
        throw new Error(`the download of ${key} from ${this.name} ended after ${bytes} of ${all} bytes`);
      } catch (error) {
        if (left === 0) throw s3Error(error, this.#location);
      } finally {
        body.destroy();
      }
      ({ body } = await this.#open(key, bytes, etag));
    }
  }
}

interface Download {
  readonly body: Readable;
  /** Of what is left of the object. */
  readonly bytes: number;
  readonly etag: string | undefined;
}
