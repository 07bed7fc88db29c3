import type { TransactionStatus } from '../wire.ts';

/** The engine's output for one batch, apart from the bytes that go to the client. Texts are latin1. */
export interface Findings {
  /** The status in ReadyForQuery, if that was the last message. Null: the last message was another one. */
  readonly status: TransactionStatus | null;
  /** The first ErrorResponse, as a whole message. */
  readonly error: Uint8Array | undefined;
  /** One character per acknowledged step (batch.ts), up to the first error. */
  readonly acks: string;
  /** The command tags, one per `C` of `acks`; '' for an acknowledgement without a tag. */
  readonly tags: readonly string[];
  /** Channel and payload of each notification. Notifications are removed from the bytes. */
  readonly notifications: readonly (readonly [channel: string, payload: string])[];
  /**
   * Name and new value of each reported setting that changed. Reports of unchanged settings are removed from
   * the bytes.
   */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/**
 * Reads the engine's output as it comes, in pieces cut anywhere, and passes it on in whole messages: only
 * between whole messages can an error be added to the output. Runs in the engine's thread, which has time to
 * spare where the main thread has none.
 */
export class BackendScanner {
  readonly #known: Map<string, string>;
  #buffer = Buffer.allocUnsafeSlow(initialBytes);
  #length = 0;
  /** The bytes before this offset are whole messages that go to the client. */
  #scanned = 0;
  #status: TransactionStatus | null = null;
  #copying = false;
  #error: Uint8Array | undefined;
  #acks = '';
  #tags: string[] = [];
  #notifications: [string, string][] = [];
  #parameters: [string, string][] = [];

  /** `known`: values of the reported settings. The scanner keeps them up to date. */
  constructor(known: Map<string, string>) {
    this.#known = known;
  }

  /** Prepares for the next batch: forgets everything but the known settings. */
  reset(): void {
    if (this.#buffer.length > largestKeptBytes) this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
    this.#length = this.#scanned = 0;
    this.#status = null;
    this.#copying = false;
    this.#error = undefined;
    this.#acks = '';
    this.#tags = [];
    this.#notifications = [];
    this.#parameters = [];
  }

  /** The engine waits for COPY FROM STDIN data, or will soon. */
  get copying(): boolean {
    return this.#copying;
  }

  /** Number of bytes in whole messages that `take` would return. */
  get complete(): number {
    return this.#scanned;
  }

  get findings(): Findings {
    return {
      status: this.#status,
      error: this.#error,
      acks: this.#acks,
      tags: this.#tags,
      notifications: this.#notifications,
      parameters: this.#parameters,
    };
  }

  write(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    for (;;) {
      const start = this.#scanned;
      if (this.#length - start < 5) return;
      const end = start + 1 + this.#buffer.readUInt32BE(start + 1);
      if (end > this.#length) return;
      if (this.#keeps(this.#buffer[start] ?? 0, start, end)) {
        this.#scanned = end;
      } else {
        this.#buffer.copyWithin(start, end, this.#length);
        this.#length -= end - start;
      }
    }
  }

  /** Returns the whole messages since the last call, in memory of their own. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = new Uint8Array(this.#scanned);
    taken.set(this.#buffer.subarray(0, this.#scanned));
    this.#buffer.copyWithin(0, this.#scanned, this.#length);
    this.#length -= this.#scanned;
    this.#scanned = 0;
    return taken;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  #keeps(type: number, start: number, end: number): boolean {
    // Rows come first, because they are the most common and change nothing here.
    if (type === dataRow) return true;
    this.#status = null;
    switch (type) {
      case readyForQuery:
        this.#status = String.fromCharCode(this.#buffer[start + 5] ?? 0) as TransactionStatus;
        return true;
      case commandComplete:
        this.#copying = false;
        this.#acknowledge('C', this.#buffer.toString('latin1', start + 5, end - 1));
        return true;
      case emptyQuery:
      case portalSuspended:
        this.#acknowledge('C', '');
        return true;
      case parseComplete:
        this.#acknowledge('1');
        return true;
      case closeComplete:
        this.#acknowledge('3');
        return true;
      case errorResponse:
        this.#copying = false;
        this.#error ??= new Uint8Array(this.#buffer.subarray(start, end));
        return true;
      case copyInResponse:
        this.#copying = true;
        return true;
      case notification: {
        const [channel = '', payload = ''] = this.#buffer.toString('latin1', start + 9, end - 1).split('\0');
        this.#notifications.push([channel, payload]);
        return false;
      }
      case parameterStatus: {
        const [name = '', value = ''] = this.#buffer.toString('latin1', start + 5, end - 1).split('\0');
        if (this.#known.get(name) === value) return false;
        this.#known.set(name, value);
        this.#parameters.push([name, value]);
        return true;
      }
      default:
        return true;
    }
  }

  #acknowledge(ack: string, tag?: string): void {
    if (this.#error) return;
    this.#acks += ack;
    if (tag !== undefined) this.#tags.push(tag);
  }
}

const initialBytes = 128 * 1024;
const largestKeptBytes = 1024 * 1024;

const closeComplete = 0x33;
const commandComplete = 0x43;
const copyInResponse = 0x47;
const dataRow = 0x44;
const emptyQuery = 0x49;
const errorResponse = 0x45;
const notification = 0x41;
const parameterStatus = 0x53;
const parseComplete = 0x31;
const portalSuspended = 0x73;
const readyForQuery = 0x5a;
