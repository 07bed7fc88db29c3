import type { ServerResponse } from 'node:http';

/** Bytes that a client may leave unread before it is dropped. */
const maxUnreadBytes = 4_194_304;

/** Headers of a response that is a stream of events. */
export const streamHeaders = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  // Keeps nginx from buffering events.
  'X-Accel-Buffering': 'no',
} as const;

/**
 * Server-sent events (HTML, Server-sent events) on a response. Nobody waits for a client that does not read: its
 * connection is cut past `maxUnreadBytes`, and the server cuts it too when the client reads nothing for long. The
 * client can fetch the lost events again from the last id that it got.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #waiting: (() => void)[] = [];

  /** Sends the head. Calls `onEnd` once, whichever side ends the stream. */
  constructor(response: ServerResponse, onEnd: () => void) {
    this.#response = response;
    response.writeHead(200, streamHeaders);
    response.on('drain', () => this.#drained());
    response.once('close', () => {
      this.#drained();
      onEnd();
    });
    // The connection was lost; `close` follows.
    response.on('error', () => {});
  }

  /** Whether the client can still be reached. */
  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** Sends messages made by `message`. Resolves when the client has read enough to be sent more, or is gone. */
  send(text: string): Promise<void> {
    const response = this.#response;
    if (!this.isOpen) return Promise.resolve();
    // Only the bytes already waiting count, without this text: one large event must be deliverable.
    if (response.writableLength > maxUnreadBytes) {
      response.destroy();
      return Promise.resolve();
    }
    if (response.write(text)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Sends a last message and ends. */
  end(text: string): void {
    if (!this.isOpen) return;
    this.#response.end(text);
    // A client that has stopped reading will not read this message either.
    const timer = setTimeout(() => this.#response.destroy(), 1_000);
    this.#response.once('close', () => clearTimeout(timer));
  }

  #drained(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/**
 * Formats one event. `data` is a single line, as JSON is; without event and data, the message only sets the client's
 * last id.
 */
export function message(parts: {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
}): string {
  const { id, event, data } = parts;
  const lines = [
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(data === undefined ? [] : [`data: ${data}`]),
  ];
  return `${lines.join('\n')}\n\n`;
}
