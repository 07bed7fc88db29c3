import type { GrafastSubscriber } from 'postgraphile/grafast';
import type { Claims } from '../auth/claims.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors.ts';

/** What happened to a task. `RESYNC`: more than can be told one by one, or it is not known what was missed. */
export interface TaskEvent {
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE' | 'RESYNC';
  /** Null with RESYNC. */
  readonly taskId: string | null;
}

/** Topics are task ids, or the empty string for all tasks of the tenant. */
export type TaskSubscriber = GrafastSubscriber<Record<string, TaskEvent>>;

/** Events that wait for one subscriber whose rows are still being read. Past that they become one RESYNC. */
const maxWaiting = 1000;

/**
 * Changes of tasks for every subscriber of the process, over one LISTEN that starts with the first of them. Events carry
 * ids only, and only to subscribers of the same tenant; the row is read again under the subscriber's own claims.
 */
export class TaskEvents {
  readonly #database: Database;
  readonly #queues = new Map<string, Set<TaskQueue>>();
  #listening: Promise<() => Promise<void>> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** What grafast subscribes with. An anonymous caller's subscriptions are refused with AUTHENTICATION_REQUIRED. */
  subscriberOf(claims: Claims): TaskSubscriber {
    return { subscribe: (topic) => this.#subscribe(claims, topic) };
  }

  /** Ends every subscription, and the LISTEN. */
  async close(): Promise<void> {
    for (const queues of this.#queues.values()) for (const queue of queues) void queue.return();
    const unlisten = await this.#listening?.catch(() => undefined);
    await unlisten?.();
  }

  async #subscribe(claims: Claims, taskId: string): Promise<AsyncIterableIterator<TaskEvent>> {
    const { tenantId } = claims;
    if (tenantId === null) {
      throw new AppError('AUTHENTICATION_REQUIRED', 'subscriptions need a token', {
        hint: 'Connect with {"authorization": "Bearer <token>"} as connection parameters.',
      });
    }
    const queue = new TaskQueue(taskId, () => this.#remove(tenantId, queue));
    const queues = this.#queues.get(tenantId);
    if (queues) queues.add(queue);
    else this.#queues.set(tenantId, new Set([queue]));
    try {
      this.#listening ??= this.#database.listen(
        'lightning:tasks',
        (payload) => this.#dispatch(payload),
        () => this.#dispatchGap(),
      );
      await this.#listening;
    } catch (error) {
      this.#listening = undefined;
      this.#remove(tenantId, queue);
      throw error;
    }
    return queue;
  }

  #remove(tenantId: string, queue: TaskQueue): void {
    const queues = this.#queues.get(tenantId);
    if (queues?.delete(queue) && queues.size === 0) this.#queues.delete(tenantId);
  }

  #dispatch(payload: string): void {
    const { tenant, operation, ids } = JSON.parse(payload) as TaskPayload;
    const queues = this.#queues.get(tenant);
    if (!queues) return;
    for (const queue of queues) {
      if (ids === null) queue.resync();
      else {
        const named = operation.toUpperCase() as TaskEvent['operation'];
        for (const taskId of ids) queue.push({ operation: named, taskId });
      }
    }
  }

  #dispatchGap(): void {
    for (const queues of this.#queues.values()) for (const queue of queues) queue.resync();
  }
}

/** As app_private.tg_tasks__notify writes it. */
interface TaskPayload {
  readonly tenant: string;
  readonly operation: 'insert' | 'update' | 'delete';
  readonly ids: readonly string[] | null;
}

const resync: TaskEvent = { operation: 'RESYNC', taskId: null };

/** The events that one subscription has not taken yet, in order. */
class TaskQueue implements AsyncIterableIterator<TaskEvent> {
  readonly #taskId: string;
  readonly #onEnd: () => void;
  readonly #takers: ((result: IteratorResult<TaskEvent>) => void)[] = [];
  #events: TaskEvent[] = [];
  #ended = false;

  constructor(taskId: string, onEnd: () => void) {
    this.#taskId = taskId.toLowerCase();
    this.#onEnd = onEnd;
  }

  push(event: TaskEvent): void {
    if (this.#ended || (this.#taskId !== '' && event.taskId !== this.#taskId)) return;
    const taker = this.#takers.shift();
    if (taker) taker({ done: false, value: event });
    else if (this.#events.length < maxWaiting) this.#events.push(event);
    else this.resync();
  }

  /** Replaces what waits: whoever looks for themselves now needs none of it. */
  resync(): void {
    this.#events = [];
    const taker = this.#takers.shift();
    if (taker) taker({ done: false, value: resync });
    else if (!this.#ended) this.#events.push(resync);
  }

  next(): Promise<IteratorResult<TaskEvent>> {
    const event = this.#events.shift();
    if (event) return Promise.resolve({ done: false, value: event });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  return(): Promise<IteratorResult<TaskEvent>> {
    this.#ended = true;
    this.#events = [];
    for (const taker of this.#takers.splice(0)) taker({ done: true, value: undefined });
    this.#onEnd();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
