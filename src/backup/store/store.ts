import type { Readable } from 'node:stream';
import { OperationalError } from '../../operational-error.ts';

/**
 * Where backups are kept: whole objects under keys. A key is segments of letters, digits, `.`, `_`, `-` and `=` with `/`
 * between; none begins with a dot. Every method may also reject with StoreRefused or StoreUnavailable, and a directory's with the
 * errors of its file system.
 */
export interface Store {
  /** For people: where it is; never a credential. */
  readonly name: string;
  /** Stores an object whole or not at all, in place of an earlier one of that key; durable when it resolves. */
  put(key: string, source: Readable | Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Rejects with ObjectMissing. */
  get(key: string): Promise<Readable>;
  /** Keys that begin with `prefix`, a text like any other, in the order of their bytes. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /** No error when it is gone already. */
  remove(key: string): Promise<void>;
}

/** An object as a listing has it. */
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
 * The store does not take the request, and would not take it again: the bucket, the credentials or the rights are not right. The
 * message names the store and says what to do.
 */
export class StoreRefused extends OperationalError {
  override name = 'StoreRefused';
}

/** The store did not answer, or is busy, after several attempts. Later it may. The message names the store. */
export class StoreUnavailable extends OperationalError {
  override name = 'StoreUnavailable';
}

const segment = /^[A-Za-z0-9_=-][A-Za-z0-9._=-]*$/;
/** S3 takes 1,024 bytes; a prefix has to fit in as well. */
const longestKey = 900;
/** What file systems take. */
const longestSegment = 200;

/** Throws for what is no key: nothing that is stored may be found, or land, outside of the store. */
export function checkKey(key: string): void {
  const fits =
    key.length <= longestKey &&
    key.split('/').every((part) => part.length <= longestSegment && segment.test(part));
  if (!fits) {
    throw new Error(
      `${JSON.stringify(key)} is no key of a backup store: segments of letters, digits, . _ - and =, ` +
        'none beginning with a dot, with / between',
    );
  }
}
