import type { Claims } from '../auth/claims.ts';
import type { Database } from '../db/database.ts';
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

/** What somebody wants to hear. */
export interface Subscription {
  readonly topics: ReadonlySet<Topic>;
  /** Of one row only. */
  readonly key: string | null;
  /** Where to go on; null: from now on. */
  readonly since: Position | null;
  /**
   * Gets changes in commit order, one or more. Awaited while the subscriber catches up with what it missed; later
   * nobody waits for it, and whoever reads slowly has a queue of their own.
   */
  readonly onChanges: (changes: readonly Change[]) => Promise<void> | void;
  /** Changes could not be read: what was delivered is all there will be. */
  readonly onFailure: (error: unknown) => void;
}

/** Somebody who is being told. */
export interface Subscribed {
  /** Behind what was delivered; behind what is not for this subscriber, too. */
  readonly position: Position;
  /** Delivers no more. May be called more than once. */
  end(): void;
}

/** How often the outbox is looked at, in milliseconds. */
const pauses = {
  /** At least between two looks: what commits in the meantime is read at once. */
  least: 10,
  /** A transaction that runs may say nothing at its end (app_private.tg__publish): at first, and at most. */
  whileRunning: 20,
  whileRunningLongest: 200,
  /** Nothing runs, nobody says anything. */
  idle: 1_000,
} as const;

/**
 * Tells the subscribers of this process what changes, from the outbox (app_private.events): in commit order, nothing
 * twice, nothing left out, whatever becomes of the LISTEN connection. A change is delivered after its row was read again
 * as the subscriber's role and tenant; one query serves all who share those. Reads nothing while nobody subscribes.
 */
export class LiveChanges {
  readonly #database: Database;
  readonly #rolePrefix: string;
  readonly #onError: (error: unknown) => void;
  readonly #subscribers = new Set<Subscriber>();
  /** How many want a tenant's changes, those that still catch up included. */
  readonly #tenants = new Map<string, number>();
  #position: Position | null = null;
  #reading: Promise<void> | null = null;
  #isBehind = false;
  #runningPause: number = pauses.whileRunning;
  #lastLook = 0;
  #timer: NodeJS.Timeout | undefined;
  #listening: Promise<readonly (() => Promise<void>)[]> | undefined;
  #closed = false;

  /** @param onError gets failures to read the outbox; it is read again */
  constructor(database: Database, rolePrefix: string, onError: (error: unknown) => void) {
    this.#database = database;
    this.#rolePrefix = rolePrefix;
    this.#onError = onError;
  }

  /**
   * Resolves once the subscriber has what it missed since its position, and hears all that commits from then on. Rejects
   * with AUTHENTICATION_REQUIRED for anonymous callers, and when the database cannot be had.
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

  /** Ends every subscription, and the LISTEN. */
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
    for (const topic of topics) unlisten.push(await this.#database.listen(`lightning:${topic}`, look, look));
    return unlisten;
  }

  /** Reads for the one subscriber until it is where all are, and then counts it among them. */
  async #catchUp(subscriber: Subscriber): Promise<void> {
    // A read that is under way may leave the tenant out.
    await this.#reading;
    let from = subscriber.since;
    while (!subscriber.ended) {
      const batch = await readOutbox(this.#database, this.#rolePrefix, from, [subscriber.viewer.tenantId]);
      if (from === null) subscriber.position = positionOf(batch.seen);
      else
        await this.#deliver(
          subscriber,
          new BatchChanges(this.#database, this.#rolePrefix, batch, [subscriber]),
        );
      from = subscriber.position;
      // From here on it hears what all hear: what is behind their position it must have.
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
    // Whoever comes next begins anew.
    this.#position = null;
    clearTimeout(this.#timer);
  }

  /** Looks at the outbox after the pause, in milliseconds; or, when a look is under way, soon after it. */
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

  /** One look at the outbox; gives back when to look again unless somebody says something. Never rejects. */
  async #read(from: Position): Promise<number> {
    try {
      const batch = await readOutbox(this.#database, this.#rolePrefix, from, [...this.#tenants.keys()]);
      const subscribers = [...this.#subscribers];
      const changes = new BatchChanges(this.#database, this.#rolePrefix, batch, subscribers);
      await Promise.all(subscribers.map((subscriber) => this.#tell(subscriber, changes)));
      // Unless everybody left, and somebody else came.
      if (this.#position === from) this.#position = changes.end(from);
      return this.#pauseAfter(batch);
    } catch (error) {
      this.#onError(error);
      return pauses.idle;
    }
  }

  /** What befalls one subscriber is no other's business. */
  async #tell(subscriber: Subscriber, batch: BatchChanges): Promise<void> {
    try {
      const { changes, position } = await batch.share(subscriber);
      if (subscriber.ended) return;
      subscriber.position = position;
      // Not awaited.
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
