import type { Claims } from '../auth/claims.ts';
import type { Installation } from '../db/installation.ts';
import { AppError } from '../errors.ts';
import type { Change } from './change.ts';
import { BatchChanges } from './batch-changes.ts';
import type { Wish } from './batch-changes.ts';
import { includes, positionOf } from './position.ts';
import type { Position } from './position.ts';
import { readOutbox } from './read-outbox.ts';
import type { OutboxBatch } from './read-outbox.ts';
import { topics } from './topic.ts';
import type { Topic } from './topic.ts';

/** The changes that a subscriber asks for, and where they are delivered. */
export interface Subscription {
  readonly topics: ReadonlySet<Topic>;
  /** The id of the only row wanted; null: all rows. */
  readonly key: string | null;
  /** Where to resume; null: from now on. */
  readonly since: Position | null;
  /**
   * Gets one or more changes, in commit order. Awaited while the subscriber catches up with what it missed. Later nobody
   * waits for it: a slow reader keeps its own queue.
   */
  readonly onChanges: (changes: readonly Change[]) => Promise<void> | void;
  /** Ends the subscription when it aborts, also while it catches up. */
  readonly left?: AbortSignal;
  /** Changes could not be read: nothing more will be delivered. */
  readonly onFailure: (error: unknown) => void;
}

/** A running subscription. */
export interface Subscribed {
  /** After everything delivered so far, and after the changes that this subscriber is not to see. */
  readonly position: Position;
  /** Stops delivery. May be called more than once. */
  end(): void;
}

/** Pauses between two reads of the outbox, in milliseconds. */
const pauses = {
  /** The shortest pause: everything that commits during it is read together. */
  least: 10,
  /**
   * A transaction that is still running may end without a notification (app_private.tg__publish): first and longest
   * pause.
   */
  whileRunning: 20,
  whileRunningLongest: 200,
  /** No transaction runs, and no notification comes. */
  idle: 1_000,
} as const;

/**
 * Delivers changes to the subscribers of this process from the outbox (app_private.events): in commit order, each
 * once and none left out, even if the LISTEN connection fails. Before delivery the row is read again as the
 * subscriber's role and tenant; one query serves all subscribers who share both. Reads nothing without
 * subscribers.
 */
export class LiveChanges {
  readonly #installation: Installation;
  readonly #onError: (error: unknown) => void;
  readonly #subscribers = new Set<Subscriber>();
  /** Subscribers per tenant, including those that are still catching up. */
  readonly #tenants = new Map<string, number>();
  #position: Position | null = null;
  #reading: Promise<void> | null = null;
  #isBehind = false;
  #runningPause: number = pauses.whileRunning;
  #lastLook = 0;
  #timer: NodeJS.Timeout | undefined;
  #listening: Promise<readonly (() => Promise<void>)[]> | undefined;
  #closed = false;

  /** @param onError gets failures to read the outbox, which is then read again */
  constructor(installation: Installation, onError: (error: unknown) => void) {
    this.#installation = installation;
    this.#onError = onError;
  }

  /**
   * Resolves once the subscriber has everything it missed since its position; from then on it gets all that commits.
   * Rejects with AUTHENTICATION_REQUIRED for anonymous callers, and when the database cannot be reached.
   */
  async subscribe(claims: Claims, subscription: Subscription): Promise<Subscribed> {
    const { role, tenantId } = claims;
    if (tenantId === null) throw new AppError('AUTHENTICATION_REQUIRED', 'subscriptions need a token');
    if (this.#closed) throw new AppError('SHUTTING_DOWN', 'the server is about to stop');
    const subscriber: Subscriber = {
      ...subscription,
      viewer: { role, tenantId },
      position: subscription.since ?? positionOf({ end: 0, running: [] }),
      ended: false,
    };
    this.#tenants.set(tenantId, (this.#tenants.get(tenantId) ?? 0) + 1);
    const end = (): void => this.#remove(subscriber);
    if (subscription.left?.aborted === true) end();
    else subscription.left?.addEventListener('abort', end, { once: true });
    try {
      await this.#listen();
      await this.#catchUp(subscriber);
    } catch (error) {
      end();
      throw error;
    }
    return {
      get position() {
        return subscriber.position;
      },
      end,
    };
  }

  /** Ends every subscription and the LISTEN. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const subscriber of this.#subscribers) this.#remove(subscriber);
    const unlisten = await this.#listening?.catch(() => []);
    for (const stop of unlisten ?? []) await stop();
    await this.#reading;
  }

  async #listen(): Promise<void> {
    const look = (): void => {
      this.#runningPause = pauses.whileRunning;
      this.#schedule(0);
    };
    this.#listening ??= this.#listenTo(look);
    try {
      await this.#listening;
    } catch (error) {
      this.#listening = undefined;
      throw error;
    }
  }

  async #listenTo(look: () => void): Promise<readonly (() => Promise<void>)[]> {
    const unlisten: (() => Promise<void>)[] = [];
    for (const topic of topics)
      unlisten.push(await this.#installation.database.listen(`lightning:${topic}`, look, look));
    return unlisten;
  }

  /** Reads for this subscriber alone until it has caught up with the others, then adds it to them. */
  async #catchUp(subscriber: Subscriber): Promise<void> {
    // A read that is under way may have started without this tenant.
    await this.#reading;
    let from = subscriber.since;
    while (!subscriber.ended) {
      const batch = await readOutbox(this.#installation, from, [subscriber.viewer.tenantId]);
      if (from === null) subscriber.position = positionOf(batch.seen);
      else await this.#deliver(subscriber, new BatchChanges(this.#installation, batch, [subscriber]));
      from = subscriber.position;
      // From here on it shares the reads of the others. It must already have seen everything before their position.
      if (batch.isComplete && (this.#position === null || includes(batch.seen, this.#position.snapshot))) {
        if (this.#closed || subscriber.ended) return;
        this.#position ??= from;
        this.#subscribers.add(subscriber);
        this.#schedule(0);
        return;
      }
    }
  }

  async #deliver(subscriber: Subscriber, batch: BatchChanges): Promise<void> {
    const { changes, position } = await batch.share(subscriber);
    if (subscriber.ended) return;
    subscriber.position = position;
    if (changes.length > 0) await subscriber.onChanges(changes);
  }

  #remove(subscriber: Subscriber): void {
    if (subscriber.ended) return;
    subscriber.ended = true;
    this.#subscribers.delete(subscriber);
    const { tenantId } = subscriber.viewer;
    const left = (this.#tenants.get(tenantId) ?? 0) - 1;
    if (left > 0) this.#tenants.set(tenantId, left);
    else this.#tenants.delete(tenantId);
    if (this.#subscribers.size > 0) return;
    // The next subscriber starts from its own position.
    this.#position = null;
    clearTimeout(this.#timer);
  }

  /** Reads the outbox after the pause, in milliseconds; if a read is under way, soon after that one. */
  #schedule(pause: number): void {
    if (this.#reading !== null) {
      this.#isBehind = true;
      return;
    }
    if (this.#position === null || this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), Math.max(pause, this.#lastLook + pauses.least - Date.now()));
  }

  #look(): void {
    if (this.#reading !== null || this.#position === null || this.#closed) return;
    this.#isBehind = false;
    this.#reading = this.#read(this.#position).then((pause) => {
      this.#reading = null;
      this.#lastLook = Date.now();
      this.#schedule(this.#isBehind ? 0 : pause);
    });
  }

  /**
   * Reads the outbox once and returns the pause before the next read, which a notification cuts short. Never rejects.
   */
  async #read(from: Position): Promise<number> {
    try {
      const batch = await readOutbox(this.#installation, from, [...this.#tenants.keys()]);
      const subscribers = [...this.#subscribers];
      const changes = new BatchChanges(this.#installation, batch, subscribers);
      await Promise.all(subscribers.map((subscriber) => this.#tell(subscriber, changes)));
      // The position differs if everybody left meanwhile and a new subscriber came.
      if (this.#position === from) this.#position = changes.end(from);
      return this.#pauseAfter(batch);
    } catch (error) {
      this.#onError(error);
      return pauses.idle;
    }
  }

  /** Delivers to one subscriber. Its failure ends its own subscription and touches no other. */
  async #tell(subscriber: Subscriber, batch: BatchChanges): Promise<void> {
    try {
      const { changes, position } = await batch.share(subscriber);
      if (subscriber.ended) return;
      subscriber.position = position;
      // Not awaited: a slow subscriber must not delay the others.
      if (changes.length > 0)
        Promise.resolve(subscriber.onChanges(changes)).catch(() => this.#remove(subscriber));
    } catch (error) {
      this.#remove(subscriber);
      subscriber.onFailure(error);
    }
  }

  #pauseAfter({ isComplete, seen }: OutboxBatch): number {
    if (!isComplete) return 0;
    if (seen.running.length === 0) return pauses.idle;
    const pause = this.#runningPause;
    this.#runningPause = Math.min(pause * 2, pauses.whileRunningLongest);
    return pause;
  }
}

interface Subscriber extends Wish, Subscription {
  readonly topics: ReadonlySet<Topic>;
  readonly key: string | null;
  position: Position;
  ended: boolean;
}
