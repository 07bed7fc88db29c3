/** A task as docs/tasks.md says that it behaves, without a database. */
export interface ModelTask {
  readonly id: string;
  readonly priority: Priority;
  readonly maxAttempts: number;
  status: 'pending' | 'running' | 'completed' | 'failed' | 'dead' | 'cancelled';
  attempt: number;
  failures: number;
  /** When it came to where it stands in the queue; smaller is earlier. */
  place: number;
  lease: { readonly token: string; expiredAt: number | null } | null;
  readonly ended: { readonly token: string; readonly outcome: Outcome }[];
}

export type Priority = 'low' | 'normal' | 'high' | 'critical';
export type Outcome = 'completed' | 'failed' | 'expired' | 'released' | 'cancelled';

/** A claim that somebody made, and may still believe to have. */
export interface ModelClaim {
  readonly task: ModelTask;
  readonly token: string;
}

const order: readonly Priority[] = ['critical', 'high', 'normal', 'low'];

/** The queue of one tenant as it must be. Time is a counter: what the model does happens at once. */
export class QueueModel {
  readonly tasks: ModelTask[] = [];
  readonly byKey = new Map<string, ModelTask>();
  readonly claims: ModelClaim[] = [];
  #time = 0;

  enqueue(id: string, priority: Priority, maxAttempts: number, key: string | null): void {
    const task: ModelTask = {
      id,
      priority,
      maxAttempts,
      status: 'pending',
      attempt: 0,
      failures: 0,
      place: (this.#time += 1),
      lease: null,
      ended: [],
    };
    this.tasks.push(task);
    if (key !== null) this.byKey.set(key, task);
  }

  /** The task that a claim gets; null for none. When nothing waits it takes back the lease that expired first. */
  nextClaimed(): ModelTask | null {
    const next = this.#firstWaiting();
    if (next) return next;
    const [expired] = this.#expired();
    if (expired) this.#reapOne(expired);
    return this.#firstWaiting();
  }

  claimed(task: ModelTask, token: string): void {
    task.status = 'running';
    task.attempt += 1;
    task.lease = { token, expiredAt: null };
    this.claims.push({ task, token });
  }

  /** What a call with the claim's token is refused with; null when it is still the holder's, however late. */
  refusal({ task, token }: ModelClaim): 'LTQ02' | 'LTQ03' | null {
    if (task.lease?.token === token) return null;
    return task.ended.some((one) => one.token === token && one.outcome === 'cancelled') ? 'LTQ03' : 'LTQ02';
  }

  heartbeat({ task }: ModelClaim): void {
    if (task.lease) task.lease.expiredAt = null;
  }

  complete({ task }: ModelClaim): void {
    this.#end(task, 'completed');
    task.status = 'completed';
  }

  fail({ task }: ModelClaim, retryable: boolean): void {
    this.#end(task, 'failed');
    task.failures += 1;
    task.status = !retryable ? 'failed' : task.failures >= task.maxAttempts ? 'dead' : 'pending';
    if (task.status === 'pending') task.place = this.#time += 1;
  }

  release({ task }: ModelClaim): void {
    this.#end(task, 'released');
    task.status = 'pending';
  }

  expire(task: ModelTask): void {
    if (task.lease) task.lease.expiredAt = this.#time += 1;
  }

  reap(): void {
    for (const task of this.#expired()) this.#reapOne(task);
  }

  /** Whether it may be cancelled. */
  cancel(task: ModelTask): boolean {
    if (task.status === 'cancelled') return true;
    if (task.status !== 'pending' && task.status !== 'running') return false;
    if (task.lease) this.#end(task, 'cancelled');
    task.status = 'cancelled';
    return true;
  }

  /** Whether it may be tried again. */
  retry(task: ModelTask): boolean {
    if (task.status !== 'failed' && task.status !== 'dead') return false;
    task.status = 'pending';
    task.failures = 0;
    task.place = this.#time += 1;
    return true;
  }

  #firstWaiting(): ModelTask | null {
    const waiting = this.tasks.filter(({ status }) => status === 'pending');
    const rank = ({ priority }: ModelTask) => order.indexOf(priority);
    return waiting.toSorted((a, b) => rank(a) - rank(b) || a.place - b.place)[0] ?? null;
  }

  #expired(): ModelTask[] {
    const since = ({ lease }: ModelTask) => lease?.expiredAt ?? Infinity;
    return this.tasks.filter((task) => since(task) < Infinity).toSorted((a, b) => since(a) - since(b));
  }

  #reapOne(task: ModelTask): void {
    this.#end(task, 'expired');
    task.failures += 1;
    task.status = task.failures < task.maxAttempts ? 'pending' : 'dead';
  }

  #end(task: ModelTask, outcome: Outcome): void {
    if (!task.lease) throw new Error(`the model ends an attempt of ${task.id} that has none`);
    task.ended.push({ token: task.lease.token, outcome });
    task.lease = null;
  }
}
