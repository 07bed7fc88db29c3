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

/** An item of a group that runs longer than this has the items behind it taken back, for their own timeouts to count. */
const patienceMs = 100;

export interface WatchdogLimits {
  /** For a client to be heard of while it has the engine to itself, or while COPY waits for its data. */
  readonly idleInTransactionTimeoutMs: number;
  /** For a batch to wait for its turn. */
  readonly queueTimeoutMs: number;
}

/** What of a client the watchdog looks at. */
export type WatchedClient = Pick<
  Client,
  'batch' | 'heardAt' | 'submittedAt' | 'timeoutMs' | 'cancelRequested'
> & { readonly session: Pick<Client['session'], 'idleTimeoutMs'> };

/** What the engine is at, as its thread says without being asked. */
export interface WatchedRun<C extends WatchedClient> {
  readonly items: readonly (Pick<Item, 'purpose'> & { readonly client?: C })[];
  /** Of the item that runs; -1: none does yet. */
  readonly position: number;
  readonly startedAt: number;
  readonly waiting: 'nothing' | 'input' | 'output';
  /** The items after this one were taken back. */
  readonly revokedAfter: number | null;
  /** When a client last took some of a large result. */
  readonly readAt: number;
}

/** All that timeouts depend on. Times are of `monotonicMs`. */
export interface Watched<C extends WatchedClient> {
  readonly now: number;
  /** Null: nothing runs, or there is no engine. */
  readonly run: WatchedRun<C> | null;
  /** Who has the engine until its transaction ends, and is still there. */
  readonly holder: C | null;
  /** Since when those who wait are kept from the engine. */
  readonly busySince: number;
  readonly queue: readonly C[];
}

/** What is to be done about something that takes too long. */
export type Verdict<C> =
  | { readonly kind: 'take-back'; readonly after: number }
  | { readonly kind: 'stop-copying'; readonly client: C; readonly reason: string }
  | { readonly kind: 'end-unread'; readonly client: C }
  /** Of an engine that recovers: nothing else ends a statement. */
  | { readonly kind: 'replace-engine'; readonly report: Report }
  | { readonly kind: 'cut-off'; readonly client: C; readonly report: Report }
  | { readonly kind: 'give-up-waiting'; readonly client: C; readonly report: Report };

/** Decides what has taken too long, and what is to be done about it. Changes nothing. */
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
