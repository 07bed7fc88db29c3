import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { message } from '../../src/embedded/wire.ts';

/** A message of the server: its letter, and everything after the length as latin1. */
export interface Answer {
  readonly type: string;
  readonly body: string;
}

/** A client that writes raw bytes, for what no driver does: messages split anywhere, or out of order. */
export class WireClient {
  readonly #socket: Socket;
  #buffer = Buffer.alloc(0);
  #answers: Answer[] = [];
  #waiting: (() => void) | undefined;
  #closed = false;

  /** Connects and sends the given bytes, without reading anything. */
  constructor(socketDirectory: string) {
    this.#socket = createConnection(`${socketDirectory}/.s.PGSQL.5432`);
    this.#socket.on('error', () => undefined);
    this.#socket.on('data', (chunk) => {
      this.#buffer = Buffer.concat([this.#buffer, typeof chunk === 'string' ? Buffer.from(chunk) : chunk]);
      this.#waiting?.();
    });
    this.#socket.on('close', () => {
      this.#closed = true;
      this.#waiting?.();
    });
  }

  static async connect(socketDirectory: string, settings: Record<string, string> = {}): Promise<WireClient> {
    const client = new WireClient(socketDirectory);
    client.write(startupPacket({ user: 'postgres', database: 'postgres', ...settings }));
    await client.until('Z');
    return client;
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Sends every byte in a packet of its own. */
  async writeSlowly(bytes: Uint8Array): Promise<void> {
    for (const byte of bytes) {
      this.#socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The answers up to and including the next one of a type, or up to the end of the connection. */
  async until(type: string): Promise<Answer[]> {
    for (;;) {
      this.#parse();
      const at = this.#answers.findIndex((answer) => answer.type === type);
      if (at >= 0) return this.#answers.splice(0, at + 1);
      if (this.#closed) return this.#answers.splice(0);
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  /** The next bytes, raw. */
  async bytes(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    const taken = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return taken;
  }

  /** Everything that arrives until the server ends the connection. */
  async rest(): Promise<Answer[]> {
    return this.until('no such type');
  }

  /** Stops reading from the socket, which stays open. */
  stopReading(): void {
    this.#socket.pause();
  }

  end(): void {
    this.#socket.end();
  }

  #parse(): void {
    while (this.#buffer.length >= 5) {
      const end = 1 + this.#buffer.readUInt32BE(1);
      if (this.#buffer.length < end) return;
      const type = this.#buffer.toString('latin1', 0, 1);
      this.#answers.push({ type, body: this.#buffer.toString('latin1', 5, end) });
      this.#buffer = this.#buffer.subarray(end);
    }
  }
}

export function startupPacket(parameters: Record<string, string>, version = 0x30000): Buffer {
  const strings = Object.entries(parameters).flat();
  return message('?', version, ...strings, Buffer.alloc(1)).subarray(1);
}

const zero16 = Buffer.alloc(2);

/** The messages Parse, Bind and Execute of the unnamed statement and portal, without a Sync. */
export function execution(sql: string): Buffer {
  return Buffer.concat([
    message('P', '', sql, zero16),
    message('B', '', '', zero16, zero16, zero16),
    message('E', '', 0),
  ]);
}
