import type { Readable } from 'node:stream';
import { OperationalError } from '../../operational-error.ts';

/**
 * A place for backups: whole objects under keys. A key is segments of letters, digits, `.`, `_`, `-` and `=` with `/`
 * between; a segment never begins with a dot. Every method may also reject with StoreRefused or StoreUnavailable, and
 * those of a directory with errors of its file system.
 */
export interface Store {
  /** The store's location, as text for people; never a credential. */
  readonly name: string;
  /**
   * Stores an object whole or not at all, replacing any earlier one under that key. It is durable when this resolves.
   */
  put(key: string, source: Readable | Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Rejects with ObjectMissing. */
  get(key: string): Promise<Readable>;
  /** Keys that begin with `prefix`, which may be any text, in the order of their bytes. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /** Resolves too when the object is already gone. */
  remove(key: string): Promise<void>;
}

/** An object as a listing shows it. */
export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
}

/** The store has no object under a key. */
export class ObjectMissing extends OperationalError {
  override name = 'ObjectMissing';
  readonly key: string;

  constructor(key: string, store: string, options?: ErrorOptions) {
    super(`${key} is missing from ${store}`, options);
    this.key = key;
  }
}

/**
 * The store rejects the request, and would reject it again: the bucket, the credentials or the rights are wrong. The
 * message names the store and says what to do.
 */
export class StoreRefused extends OperationalError {
  override name = 'StoreRefused';
}

/** The store did not answer, or was busy, after several attempts. It may work later. The message names the store. */
export class StoreUnavailable extends OperationalError {
  override name = 'StoreUnavailable';
}

const segment = /^[A-Za-z0-9_=-][A-Za-z0-9._=-]*$/;
/** S3 accepts 1,024 bytes, and a prefix has to fit as well. */
const longestKey = 900;
/** The length that file systems accept. */
const longestSegment = 200;

/** Throws for an invalid key: a valid one can neither read nor write outside of the store. */
export function checkKey(key: string): void {
  const fits =
    key.length <= longestKey &&
    key.split('/').every((part) => part.length <= longestSegment && segment.test(part));
  if (!fits) {
    throw new Error(
      `${JSON.stringify(key)} is not a key of a backup store: expected segments of letters, digits, . _ - and =, ` +
        'none beginning with a dot, with / between',
    );
  }
}
