import { Client } from 'pg';
import type { ClientConfig } from 'pg';
import { DatabaseUnavailable } from './database.ts';
import type { ConnectionEvent } from './postgres.ts';
import { quoteIdentifier } from './statement.ts';

interface Subscriber {
  readonly channel: string;
  readonly onPayload: (payload: string) => void;
  readonly onGap: (() => void) | undefined;
}

const firstRetryMs = 100;
const lastRetryMs = 10_000;

/**
 * One connection that listens for all subscribers of the process. It is made at the first `listen`, made anew with
 * growing pauses when it is lost (every subscriber's `onGap` is called then), and closed by `close`.
 */
export class NotificationListener {
  readonly #config: ClientConfig;
  readonly #onEvent: (event: ConnectionEvent) => void;
  readonly #subscribers = new Set<Subscriber>();
  #client: Client | undefined;
  #connecting: Promise<Client> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(config: ClientConfig, onEvent: (event: ConnectionEvent) => void) {
    this.#config = config;
    this.#onEvent = onEvent;
  }

  /** Resolves once the server listens: what is notified from then on arrives. */
  async listen(
    channel: string,
    onPayload: (payload: string) => void,
    onGap?: () => void,
  ): Promise<() => Promise<void>> {
    if (this.#closed) throw new Error('the database is closed');
    const subscriber: Subscriber = { channel, onPayload, onGap };
    this.#subscribers.add(subscriber);
    try {
      // Also when somebody listens to it already: LISTEN twice is once, and this one must not resolve before it took.
      await (await this.#connection()).query(`listen ${quoteIdentifier(channel)}`);
    } catch (error) {
      this.#subscribers.delete(subscriber);
      throw error;
    }
    return () => this.#unlisten(subscriber);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#subscribers.clear();
    await this.#connecting?.catch(() => {});
    await this.#client?.end();
  }

  async #unlisten(subscriber: Subscriber): Promise<void> {
    if (!this.#subscribers.delete(subscriber) || this.#closed || !this.#client) return;
    const stillWanted = [...this.#subscribers].some((s) => s.channel === subscriber.channel);
    // When the connection just died there is nothing left to stop listening to.
    if (!stillWanted)
      await this.#client.query(`unlisten ${quoteIdentifier(subscriber.channel)}`).catch(() => {});
  }

  #connection(): Promise<Client> {
    if (this.#client) return Promise.resolve(this.#client);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Client> {
    const client = new Client(this.#config);
    client.on('notification', ({ channel, payload }) => {
      for (const subscriber of this.#subscribers) {
        if (subscriber.channel === channel) subscriber.onPayload(payload ?? '');
      }
    });
    let lost: Error = new Error('the server closed the connection');
    client.on('error', (error) => {
      lost = error;
    });
    client.on('end', () => {
      if (this.#client === client) this.#lose(lost);
    });
    try {
      await client.connect();
      for (const channel of new Set([...this.#subscribers].map((s) => s.channel))) {
        await client.query(`listen ${quoteIdentifier(channel)}`);
      }
    } catch (error) {
      await client.end().catch(() => {});
      throw new DatabaseUnavailable(`cannot connect to the database to listen: ${(error as Error).message}`, {
        cause: error,
      });
    }
    this.#client = client;
    return client;
  }

  #lose(error: Error): void {
    this.#client = undefined;
    if (this.#closed) return;
    this.#onEvent({ kind: 'listener-lost', error });
    this.#restore(Date.now(), firstRetryMs);
  }

  #restore(lostAt: number, pauseMs: number): void {
    this.#retry = setTimeout(() => {
      this.#connection().then(
        () => {
          this.#onEvent({ kind: 'listener-restored', afterMs: Date.now() - lostAt });
          for (const subscriber of this.#subscribers) subscriber.onGap?.();
        },
        () => {
          if (!this.#closed) this.#restore(lostAt, Math.min(pauseMs * 2, lastRetryMs));
        },
      );
    }, pauseMs);
  }
}
