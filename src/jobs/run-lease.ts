import { setTimeout as pause } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { endsConnection } from '../db/pool.ts';

/** A run's report on itself. */
export interface RunNews {
  readonly fraction: number | null;
  readonly note: string;
}

export interface LeaseOptions {
  readonly leaseMs: number;
  /** Extends the lease, and writes the news. False: the lease was taken away. */
  readonly renew: (news: RunNews | null) => Promise<boolean>;
  /** Called once, when the lease was taken away or could not be renewed in time. */
  readonly onLost: (reason: string) => void;
}

/** A lease that is renewed until `stop`. */
export interface KeptLease {
  /** Queues news for the next renewal, a second later at most. Newer news replaces it. */
  report(news: RunNews): void;
  /** Ends the renewals. Returns news that was not written. */
  stop(): Promise<RunNews | null>;
  /**
   * Repeats the work while the lease holds, so that a connection that is lost for a moment does not cost a run
   * its end.
   */
  insist<T>(work: () => Promise<T>): Promise<T>;
}

/** Longest time between two checks whether a renewal is due. */
const tickMs = 1_000;

/**
 * Keeps a lease that was just taken: renews it every third of its time, and once a second while there is news.
 * Its time counts from the moment when a renewal was sent, so the lease ends here before it ends in the
 * database. That also holds for a process that was suspended, which notices with its first action.
 */
export function keepLease({ leaseMs, renew, onLost }: LeaseOptions): KeptLease {
  const intervalMs = Math.min(tickMs, leaseMs / 6);
  let renewedAt = performance.now();
  let news: RunNews | null = null;
  let renewing: Promise<void> | null = null;
  let lastError = 'no answer';
  let over = false;

  const lose = (reason: string): void => {
    if (over) return;
    over = true;
    clearInterval(timer);
    onLost(reason);
  };
  const renewNow = async (): Promise<void> => {
    const sentAt = performance.now();
    const sent = news;
    news = null;
    try {
      if (await renew(sent)) renewedAt = sentAt;
      else lose('it was taken for dead');
    } catch (error) {
      lastError = error instanceof Error ? error.message : String(error);
      news ??= sent;
    } finally {
      renewing = null;
    }
  };
  const timer = setInterval(() => {
    const age = performance.now() - renewedAt;
    if (age >= leaseMs) lose(`it could not be renewed for ${leaseMs} ms: ${lastError}`);
    else if (renewing === null && (news !== null || age >= leaseMs / 3)) renewing = renewNow();
  }, intervalMs);

  return {
    report: (latest) => {
      news = latest;
    },
    stop: async () => {
      clearInterval(timer);
      await renewing;
      return news;
    },
    insist: async (work) => {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          const refused = error instanceof DatabaseError && !endsConnection(error);
          if (refused || performance.now() - renewedAt >= leaseMs) throw error;
          await pause(intervalMs);
        }
      }
    },
  };
}
