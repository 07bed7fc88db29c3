import { randomBytes } from 'node:crypto';
import type { BoundedClient } from './bounded-client.ts';
import { ConnectionLost, DatabaseUnavailable } from './database.ts';
import type { GapCause } from './database.ts';
import { boundedClient, connectionLimits, linkOf, passableConnection } from './pool.ts';
import type { PoolOptions } from './pool.ts';
import type { ConnectionEvent } from './connection-event.ts';
import { quoteIdentifier } from './statement.ts';

interface Subscriber {
  readonly channel: string;
  readonly onPayload: (payload: string) => void;
  readonly onGap: ((cause: GapCause) => void) | undefined;
}

const firstRetryMs = 100;
const lastRetryMs = 10_000;
const defaultEchoMs = 12_000;
/** Limit on LISTEN, UNLISTEN and NOTIFY. */
const statementTimeoutMs = 1_000;
/**
 * While LISTEN does not work: the interval at which subscribers look for themselves, and the one at which it is
 * tried again.
 */
const lookMs = 1_000;
const cannotListenRetryMs = 30_000;

/**
 * The connection leads to a pooler, which would give notifications to whichever client has the server's session
 * at that moment.
 */
class CannotListen extends Error {
  override name = 'CannotListen';

  constructor() {
    super('the connection leads to a pooler');
  }
}

/**
 * One connection that listens for all subscribers of the process. It is made at the first `listen`, and closed
 * by `close`. When it is lost it is made anew with growing pauses, and then every subscriber's `onGap` is
 * called. Where it would lead to a pooler, it is not made, and `onGap` is called every
 * second: later than a notification, but nothing is missed.
 *
 * A listening connection expects no answer, so one that the network forgot looks like one on which nothing
 * happens. Therefore it notifies itself every few seconds: a notification that comes back has gone the whole
 * way that others' notifications go.
 */
export class NotificationListener {
  readonly #kind: 'embedded' | 'server';
  readonly #options: PoolOptions;
  readonly #onEvent: (event: ConnectionEvent) => void;
  readonly #subscribers = new Set<Subscriber>();
  /** Used by this listener alone, because every process hears all notifications on a channel that it listens to. */
  readonly #echoChannel = `lightning:echo:${randomBytes(9).toString('base64url')}`;
  #client: BoundedClient | undefined;
  #connecting: Promise<BoundedClient> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #echo: NodeJS.Timeout | undefined;
  /** Numbers of the last notification to itself, and of the last one that came back. */
  #echoSent = 0;
  #echoHeard = 0;
  /** Set while LISTEN does not work. */
  #looking: NodeJS.Timeout | undefined;
  #lostAt: number | null = null;
  #closed = false;

  constructor(kind: 'embedded' | 'server', options: PoolOptions, onEvent: (event: ConnectionEvent) => void) {
    this.#kind = kind;
    this.#options = options;
    this.#onEvent = onEvent;
  }

  /**
   * The moment (as Date.now()) since when subscribers hear nothing, because the connection was lost. Null: they
   * hear, or look for themselves, or do not exist.
   */
  get deafSince(): number | null {
    return this.#lostAt;
  }

  /** Resolves once the server listens, or is known to be unable to: from then on no notification is missed. */
  async listen(
    channel: string,
    onPayload: (payload: string) => void,
    onGap?: (cause: GapCause) => void,
  ): Promise<() => Promise<void>> {
    if (this.#closed) throw new DatabaseUnavailable('the database is closed');
    const subscriber: Subscriber = { channel, onPayload, onGap };
    this.#subscribers.add(subscriber);
    try {
      // LISTEN runs even if another subscriber has the channel: twice has the effect of once, and this call
      // must not resolve before it took effect.
      const cannot =
        this.#looking !== undefined && this.#client === undefined && this.#connecting === undefined;
      if (!cannot) await this.#listenOn(await this.#connection(), channel);
    } catch (error) {
      if (error instanceof CannotListen) {
        this.#lookInstead(Date.now());
      } else {
        this.#subscribers.delete(subscriber);
        throw error;
      }
    }
    return () => this.#unlisten(subscriber);
  }

  async #listenOn(client: BoundedClient, channel: string): Promise<void> {
    try {
      await client.query(`listen ${quoteIdentifier(channel)}`);
    } catch (error) {
      // LISTEN has no effect on a connection that was lost.
      if (client.usable) throw error;
      throw new DatabaseUnavailable(
        `the connection to listen on was lost: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#echo);
    clearInterval(this.#looking);
    this.#subscribers.clear();
    await this.#connecting?.catch(() => {});
    await this.#client?.end();
  }

  async #unlisten(subscriber: Subscriber): Promise<void> {
    if (!this.#subscribers.delete(subscriber) || this.#closed || !this.#client) return;
    const stillWanted = [...this.#subscribers].some((s) => s.channel === subscriber.channel);
    // If the connection just died, its LISTEN ended with it.
    if (!stillWanted)
      await this.#client.query(`unlisten ${quoteIdentifier(subscriber.channel)}`).catch(() => {});
  }

  #connection(): Promise<BoundedClient> {
    if (this.#client) return Promise.resolve(this.#client);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<BoundedClient> {
    const { config, settings } = passableConnection({ ...this.#options, statementTimeoutMs: 0 });
    const limits = connectionLimits(this.#kind, { ...this.#options, statementTimeoutMs });
    const client = boundedClient(config, limits);
    client.on('notification', ({ channel, payload }) => {
      if (channel === this.#echoChannel) this.#echoHeard = Number(payload);
      for (const subscriber of this.#subscribers) {
        if (subscriber.channel === channel) subscriber.onPayload(payload ?? '');
      }
    });
    // The first error gives the reason; a later one only says that the connection has ended.
    let lost: Error | null = null;
    client.on('error', (error) => {
      lost ??= error;
    });
    client.on('end', () => {
      if (this.#client === client) this.#lose(lost ?? new Error('the server closed the connection'));
    });
    try {
      await client.connect();
      if ((await linkOf(client, this.#options, settings)) !== 'session') throw new CannotListen();
      const channels = [...this.#subscribers].map((s) => s.channel);
      for (const channel of new Set([...channels, this.#echoChannel])) {
        await client.query(`listen ${quoteIdentifier(channel)}`);
      }
    } catch (error) {
      await client.end().catch(() => {});
      if (error instanceof CannotListen) throw error;
      throw new DatabaseUnavailable(`cannot connect to the database to listen: ${(error as Error).message}`, {
        cause: error,
      });
    }
    this.#client = client;
    this.#lostAt = null;
    // The embedded database runs in this process, and there one long statement keeps everybody waiting.
    if (this.#kind === 'server') this.#keepEchoing(client);
    return client;
  }

  /**
   * Gives the connection up when it does not hear itself. The watch gives it up when the server does not even
   * answer.
   */
  #keepEchoing(client: BoundedClient): void {
    const { echoMs = defaultEchoMs } = this.#options;
    this.#echo = setInterval(() => {
      const number = ++this.#echoSent;
      // A failing connection reports its own loss.
      client.query(`notify ${quoteIdentifier(this.#echoChannel)}, '${number}'`).then(
        () => this.#expectEcho(client, number),
        () => {},
      );
    }, echoMs);
  }

  /**
   * The answer has come, so the notification is due. Its time counts from here, however busy this process was
   * before.
   */
  #expectEcho(client: BoundedClient, number: number): void {
    const { silenceMs } = client.limits;
    setTimeout(() => {
      if (this.#echoHeard >= number || this.#client !== client) return;
      const message = `the database did not send a notification back within ${silenceMs / 1000} s`;
      client.giveUp(new ConnectionLost(message, { reason: 'silent' }));
    }, silenceMs).unref();
  }

  #lose(error: Error): void {
    this.#client = undefined;
    clearInterval(this.#echo);
    if (this.#closed) return;
    this.#lostAt = Date.now();
    this.#onEvent({ kind: 'listener-lost', error });
    this.#restore(this.#lostAt, firstRetryMs);
  }

  #restore(lostAt: number, pauseMs: number): void {
    this.#retry = setTimeout(() => {
      this.#connection().then(
        () => {
          clearInterval(this.#looking);
          this.#looking = undefined;
          this.#onEvent({ kind: 'listener-restored', afterMs: Date.now() - lostAt });
          for (const subscriber of this.#subscribers) subscriber.onGap?.('lost');
        },
        (error: unknown) => {
          if (this.#closed) return;
          if (error instanceof CannotListen) this.#lookInstead(lostAt);
          else this.#restore(lostAt, Math.min(pauseMs * 2, lastRetryMs));
        },
      );
    }, pauseMs);
  }

  /**
   * Lets subscribers look for themselves until a connection leads to a session of its own again, for instance
   * after a failover.
   */
  #lookInstead(since: number): void {
    if (this.#closed) return;
    this.#lostAt = null;
    if (this.#looking === undefined) {
      this.#onEvent({ kind: 'cannot-listen' });
      this.#looking = setInterval(() => {
        for (const subscriber of this.#subscribers) subscriber.onGap?.('cannot-listen');
      }, lookMs);
    }
    clearTimeout(this.#retry);
    this.#restore(since, cannotListenRetryMs);
  }
}
