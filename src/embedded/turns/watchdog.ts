import { setUpOnly } from '../front/batch.ts';
import type { Client } from '../front/client.ts';
import {
  cancelled,
  copyStalled,
  idleInTransaction,
  statementTimeout,
  waitedTooLong,
} from '../front/reports.ts';
import type { Report } from '../wire.ts';
import type { Item } from './group.ts';

/**
 * When an item runs longer than this, the items behind it in its group are taken back, so that their own
 * timeouts count.
 */
const patienceMs = 100;

export interface WatchdogLimits {
  /** Longest silence of a client that has the engine to itself, or whose COPY data are awaited. */
  readonly idleInTransactionTimeoutMs: number;
  /** Longest wait of a batch for its turn. */
  readonly queueTimeoutMs: number;
}

/** The part of a client that the watchdog looks at. */
export type WatchedClient = Pick<
  Client,
  'batch' | 'heardAt' | 'submittedAt' | 'timeoutMs' | 'cancelRequested'
> & { readonly session: Pick<Client['session'], 'idleTimeoutMs'> };

/** The engine's work, as its thread shows it in shared memory. */
export interface WatchedRun<C extends WatchedClient> {
  readonly items: readonly (Pick<Item, 'purpose'> & { readonly client?: C })[];
  /** Index of the running item; -1: none runs. */
  readonly position: number;
  readonly startedAt: number;
  readonly waiting: 'nothing' | 'input' | 'output';
  /** The items after this index were taken back. */
  readonly revokedAfter: number | null;
  /** The last time that a client took a part of a large result. */
  readonly readAt: number;
}

/** Everything that timeouts depend on. Times are those of `monotonicMs`. */
export interface Watched<C extends WatchedClient> {
  readonly now: number;
  /** Null: nothing runs, or the engine is down. */
  readonly run: WatchedRun<C> | null;
  /** The client that has the engine until its transaction ends, if it is still connected. */
  readonly holder: C | null;
  /** Moment since when waiting clients have been kept from the engine. */
  readonly busySince: number;
  readonly queue: readonly C[];
}

/** The measure against something that takes too long. */
export type Verdict<C> =
  | { readonly kind: 'take-back'; readonly after: number }
  | { readonly kind: 'stop-copying'; readonly client: C; readonly reason: string }
  | { readonly kind: 'end-unread'; readonly client: C }
  /** Only ending the engine ends a statement. Carried out for an engine that recovers. */
  | { readonly kind: 'replace-engine'; readonly report: Report }
  | { readonly kind: 'cut-off'; readonly client: C; readonly report: Report }
  | { readonly kind: 'give-up-waiting'; readonly client: C; readonly report: Report };

/** A run as the watchdog sees it, with what the engine's thread says of itself now. */
export function watchedRun<C extends WatchedClient>(
  run: Pick<WatchedRun<C>, 'items' | 'revokedAfter'>,
  { position, startedAt, waiting }: Pick<WatchedRun<C>, 'position' | 'startedAt' | 'waiting'>,
  readAt: number,
): WatchedRun<C> {
  return { items: run.items, revokedAfter: run.revokedAfter, position, startedAt, waiting, readAt };
}

/** Decides what has taken too long and which measure follows. Pure. */
export function verdicts<C extends WatchedClient>(watched: Watched<C>, limits: WatchdogLimits): Verdict<C>[] {
  return [...aboutRun(watched, limits), ...aboutHolder(watched, limits), ...aboutQueue(watched, limits)];
}

function aboutRun<C extends WatchedClient>(
  { now, run }: Watched<C>,
  { idleInTransactionTimeoutMs }: WatchdogLimits,
): Verdict<C>[] {
  if (!run) return [];
  const { items, position, startedAt, revokedAfter } = run;
  const elapsed = now - startedAt;
  const isSlow =
    elapsed > patienceMs && position >= 0 && position + 1 < items.length && revokedAfter === null;
  const takenBack: Verdict<C>[] = isSlow ? [{ kind: 'take-back', after: position }] : [];
  const item = items[revokedAfter ?? position];
  if (item?.purpose !== 'batch' || !item.client) return takenBack;
  const { client } = item;
  const report = overdue(client, elapsed);
  switch (run.waiting) {
    case 'input':
      if (report) return [...takenBack, { kind: 'stop-copying', client, reason: report.message }];
      return now - client.heardAt > idleInTransactionTimeoutMs
        ? [...takenBack, { kind: 'stop-copying', client, reason: copyStalled(idleInTransactionTimeoutMs) }]
        : takenBack;
    case 'output':
      if (now - run.readAt > idleInTransactionTimeoutMs)
        return [...takenBack, { kind: 'end-unread', client }];
      break;
    case 'nothing':
      break;
    default:
      run.waiting satisfies never;
  }
  return report ? [...takenBack, { kind: 'replace-engine', report }] : takenBack;
}

function overdue({ cancelRequested, timeoutMs }: WatchedClient, elapsed: number): Report | null {
  if (cancelRequested) return cancelled;
  return timeoutMs > 0 && elapsed > timeoutMs ? statementTimeout : null;
}

function aboutHolder<C extends WatchedClient>(
  { now, holder }: Watched<C>,
  { idleInTransactionTimeoutMs }: WatchdogLimits,
): Verdict<C>[] {
  if (!holder || holder.batch) return [];
  const limits = [idleInTransactionTimeoutMs, holder.session.idleTimeoutMs];
  const limit = Math.min(...limits.filter((ms) => ms > 0));
  return now - holder.heardAt > limit
    ? [{ kind: 'cut-off', client: holder, report: idleInTransaction(limit) }]
    : [];
}

function aboutQueue<C extends WatchedClient>(
  { now, busySince, queue }: Watched<C>,
  { queueTimeoutMs }: WatchdogLimits,
): Verdict<C>[] {
  const report = waitedTooLong(now - busySince);
  return queue
    .filter((client) => now - client.submittedAt > queueTimeoutMs)
    .map((client) =>
      client.batch === setUpOnly
        ? { kind: 'cut-off', client, report: { ...report, severity: 'FATAL' } }
        : { kind: 'give-up-waiting', client, report },
    );
}
