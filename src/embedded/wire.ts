import { OperationalError } from '../operational-error.ts';

// Postgres' frontend/backend protocol, version 3, as far as a server needs it: framing for clients' messages,
// and builders for the answers. Pure. https://www.postgresql.org/docs/current/protocol-message-formats.html
//
// Texts inside messages are handled as latin1 strings throughout: one character per byte, so offsets are byte
// offsets and every encoding survives. Keywords and names are compared byte by byte, as in Postgres.

/** One typed message of a client. `type` is the code of its letter; `bytes` is the whole message, type and length included. */
export interface Frame {
  readonly type: number;
  readonly bytes: Buffer;
}

/** The state that ReadyForQuery reports: idle, in a transaction, or in one that failed. */
export type TransactionStatus = 'I' | 'T' | 'E';

/** The codes of the letters that clients' messages begin with. */
export const frontend = {
  bind: code('B'),
  close: code('C'),
  copyData: code('d'),
  copyDone: code('c'),
  copyFail: code('f'),
  describe: code('D'),
  execute: code('E'),
  flush: code('H'),
  functionCall: code('F'),
  parse: code('P'),
  password: code('p'),
  query: code('Q'),
  sync: code('S'),
  terminate: code('X'),
} as const;

/** A packet that a client of version 3 never sends. `code` is the SQLSTATE to answer with before closing. */
export class ProtocolViolation extends OperationalError {
  readonly code = '08P01';
}

/**
 * Longest message accepted. Postgres itself takes 1 GB, but PGlite's memory of 2 GB cannot hold two copies of
 * that.
 */
export const maxMessageBytes = 512 * 1024 * 1024;
/** Equal to Postgres' MAX_STARTUP_PACKET_LENGTH. */
const maxStartupBytes = 10_000;

/** Cuts a stream into messages, wherever its packets begin and end. A long message is put together once. */
export class FrameReader {
  #head: Buffer = Buffer.alloc(0);
  #tail: Buffer[] = [];
  #tailLength = 0;

  push(chunk: Buffer): void {
    if (this.#head.length === 0) {
      this.#head = chunk;
    } else {
      this.#tail.push(chunk);
      this.#tailLength += chunk.length;
    }
  }

  /** Bytes that have not been returned in a message yet. */
  get pending(): number {
    return this.#head.length + this.#tailLength;
  }

  /** The next startup packet, which has a length but no type. Undefined until all of it has arrived. */
  nextStartup(): Buffer | undefined {
    if (!this.#gather(4)) return undefined;
    const length = this.#head.readUInt32BE(0);
    if (length < 8 || length > maxStartupBytes) {
      throw new ProtocolViolation(`invalid length of startup packet: ${length}`);
    }
    return this.#take(length);
  }

  /** The next typed message. Undefined until all of it has arrived. */
  next(): Frame | undefined {
    if (!this.#gather(5)) return undefined;
    const length = this.#head.readUInt32BE(1);
    if (length < 4 || length > maxMessageBytes) {
      throw new ProtocolViolation(`invalid message length: ${length} (the longest is ${maxMessageBytes})`);
    }
    const type = this.#head[0] ?? 0;
    const bytes = this.#take(length + 1);
    return bytes && { type, bytes };
  }

  /** Makes the first `length` bytes contiguous. False: they have not all arrived. */
  #gather(length: number): boolean {
    if (this.#head.length >= length) return true;
    if (this.pending < length) return false;
    this.#head = Buffer.concat([this.#head, ...this.#tail]);
    this.#tail = [];
    this.#tailLength = 0;
    return true;
  }

  #take(length: number): Buffer | undefined {
    if (!this.#gather(length)) return undefined;
    const taken = this.#head.subarray(0, length);
    this.#head = this.#head.subarray(length);
    if (this.#head.length === 0) {
      this.#head = this.#tail.shift() ?? this.#head;
      this.#tailLength -= this.#head.length;
    }
    return taken;
  }
}

/** The request in a client's first packet. Names of parameters are as sent; values are UTF-8. */
export type StartupPacket =
  | { readonly kind: 'encryption' }
  | { readonly kind: 'cancel'; readonly processId: number; readonly secret: number }
  /** Our own request: it ends a statement that waits for its turn, and leaves one that runs. */
  | { readonly kind: 'withdraw'; readonly processId: number; readonly secret: number }
  | {
      readonly kind: 'startup';
      readonly major: number;
      readonly minor: number;
      readonly parameters: ReadonlyMap<string, string>;
    };

/** Reads a packet of `FrameReader.nextStartup`. */
export function readStartup(packet: Buffer): StartupPacket {
  const request = packet.readUInt32BE(4);
  if (request === 80877103 || request === 80877104) return { kind: 'encryption' };
  if (request === 80877102 || request === 80877199) {
    if (packet.length < 16) throw new ProtocolViolation('cancel request is too short');
    const kind = request === 80877102 ? 'cancel' : 'withdraw';
    return { kind, processId: packet.readInt32BE(8), secret: packet.readInt32BE(12) };
  }
  const strings = packet.toString('utf8', 8).split('\0');
  const parameters = new Map<string, string>();
  for (let i = 0; i + 1 < strings.length && strings[i] !== ''; i += 2) {
    parameters.set(strings[i] ?? '', strings[i + 1] ?? '');
  }
  return { kind: 'startup', major: request >>> 16, minor: request & 0xffff, parameters };
}

/** The latin1 string that starts at `offset` of a message and ends at a zero byte, and where the next field starts. */
export function readString(bytes: Buffer, offset: number): { readonly text: string; readonly next: number } {
  const end = bytes.indexOf(0, offset);
  if (end < 0) throw new ProtocolViolation('a string in a message is not terminated');
  return { text: bytes.toString('latin1', offset, end), next: end + 1 };
}

/** Builds a message of either side. Strings are written as UTF-8 with a closing zero byte, numbers as 32 bits. */
export function message(type: string, ...fields: readonly (string | number | Uint8Array)[]): Buffer {
  const parts = fields.map((field) => {
    if (typeof field === 'string') return Buffer.from(`${field}\0`, 'utf8');
    if (typeof field === 'number') return int32(field);
    return field;
  });
  const header = Buffer.alloc(5);
  header[0] = code(type);
  header.writeUInt32BE(
    parts.reduce((sum, part) => sum + part.length, 4),
    1,
  );
  return Buffer.concat([header, ...parts]);
}

/** The contents of an ErrorResponse or NoticeResponse. `code` is a SQLSTATE. */
export interface Report {
  readonly severity: 'ERROR' | 'FATAL' | 'WARNING';
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

export function errorResponse(report: Report): Buffer {
  return reportMessage('E', report);
}

export function noticeResponse(report: Report): Buffer {
  return reportMessage('N', report);
}

export function readyForQuery(status: TransactionStatus): Buffer {
  return message('Z', Buffer.from(status));
}

/** Sync: ends a batch of the extended protocol. */
export const sync: Buffer = message('S');

/** A simple Query; its text is latin1. */
export function query(text: string): Buffer {
  return message('Q', Buffer.from(`${text}\0`, 'latin1'));
}

/** CopyFail, which ends COPY FROM STDIN with an error. */
export function copyFail(reason: string): Buffer {
  return message('f', reason);
}

/** Close of a prepared statement, whose name is given as latin1. */
export function closeStatement(name: string): Buffer {
  return message('C', Buffer.from('S'), Buffer.from(`${name}\0`, 'latin1'));
}

/** NotificationResponse; channel and payload are latin1. */
export function notificationResponse(processId: number, channel: string, payload: string): Buffer {
  return message('A', processId, Buffer.from(`${channel}\0${payload}\0`, 'latin1'));
}

/**
 * NegotiateProtocolVersion: the newest minor version of 3 that the front speaks, and the options that it does
 * not know.
 */
export function negotiateProtocolVersion(minor: number, unknownOptions: readonly string[]): Buffer {
  return message('v', minor, unknownOptions.length, ...unknownOptions);
}

/** The fields of an ErrorResponse, by their letters. `bytes` is the whole message. */
export function readReport(bytes: Uint8Array): ReadonlyMap<string, string> {
  const fields = Buffer.from(bytes.buffer, bytes.byteOffset + 5, bytes.byteLength - 5)
    .toString('utf8')
    .split('\0');
  return new Map(fields.filter((field) => field !== '').map((field) => [field.slice(0, 1), field.slice(1)]));
}

function reportMessage(type: 'E' | 'N', report: Report): Buffer {
  const fields = [
    `S${report.severity}`,
    `V${report.severity}`,
    `C${report.code}`,
    `M${report.message}`,
    ...(report.detail === undefined ? [] : [`D${report.detail}`]),
    ...(report.hint === undefined ? [] : [`H${report.hint}`]),
  ];
  return message(type, ...fields, Buffer.alloc(1));
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function code(letter: string): number {
  return letter.charCodeAt(0);
}
