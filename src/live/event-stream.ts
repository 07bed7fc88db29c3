import type { ServerResponse } from 'node:http';

/** What a client that does not read may leave unread, in bytes, before it is dropped. */
const maxUnreadBytes = 4_194_304;

/** Of an answer that is a stream of events. */
export const streamHeaders = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  // nginx would collect events before it passes them on.
  'X-Accel-Buffering': 'no',
} as const;

/**
 * Server-sent events (HTML, Server-sent events) on a response. Nobody waits for a client that does not read: past
 * `maxUnreadBytes` its connection is cut (and by the server, when it takes nothing for long), and its events can be had
 * again from the last id that it got.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #waiting: (() => void)[] = [];

  /** Sends the head. `onEnd` is called once, whoever ends it. */
  constructor(response: ServerResponse, onEnd: () => void) {
    this.#response = response;
    response.writeHead(200, streamHeaders);
    response.on('drain', () => this.#drained());
    response.once('close', () => {
      this.#drained();
      onEnd();
    });
    // A lost connection; `close` follows.
    response.on('error', () => {});
  }

  /** Whether anything still arrives. */
  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** Sends messages made by `message`. Resolves when the client has taken enough to be sent more, or is gone. */
  send(text: string): Promise<void> {
    const response = this.#response;
    if (!this.isOpen) return Promise.resolve();
    // What waits counts, not this: one large event must be deliverable.
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
    // Whoever does not read will not read this either.
    const timer = setTimeout(() => this.#response.destroy(), 1_000);
    this.#response.once('close', () => clearTimeout(timer));
  }

  #drained(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** One event. `data` is one line of text, as JSON is; a message without event and data only moves the client's last id. */
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
