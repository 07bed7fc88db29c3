import type { Installation } from '../db/installation.ts';
import { asObserver } from './requester.ts';
import { sql } from '../db/statement.ts';

/** The suspended tenants, kept up to date. */
export interface SuspendedTenants {
  has(tenantId: string): boolean;
  /** Calls back with the id of each tenant that becomes suspended from now on. */
  onSuspended(callback: (tenantId: string) => void): void;
  /** Stops listening. The known tenants stay. */
  close(): Promise<void>;
}

const lookEveryMs = 1_000;

/**
 * Reads the list every second, and reads it again when `lightning:tenants` is notified or a notification may have been
 * missed. In a row of failures, `onError` is called for the first one only.
 */
export async function watchSuspendedTenants(
  installation: Installation,
  onError: (error: unknown) => void,
): Promise<SuspendedTenants> {
  let suspended: ReadonlySet<string> = new Set();
  const callbacks: ((tenantId: string) => void)[] = [];
  // Reads run one after the other, so that an older answer does not overwrite a newer one.
  let reading = Promise.resolve();
  let failing = false;
  const read = async (): Promise<void> => {
    const { rows } = await asObserver(installation).query<{ id: string }>(
      sql`select id from ops.suspended_tenants() id`,
    );
    failing = false;
    const before = suspended;
    suspended = new Set(rows.map((row) => row.id));
    for (const id of suspended) if (!before.has(id)) for (const callback of callbacks) callback(id);
  };
  const failed = (error: unknown): void => {
    if (!failing) onError(error);
    failing = true;
  };
  // Any login may notify, as often as it likes: at most one read waits behind the one that runs.
  let waiting = false;
  const readAgain = (): void => {
    if (waiting) return;
    waiting = true;
    reading = reading
      .then(() => {
        waiting = false;
        return read();
      })
      .catch(failed);
  };
  const unlisten = await installation.database.listen('lightning:tenants', readAgain, readAgain);
  // The first read comes after LISTEN, so that a change in between is not missed.
  await read();
  // A change is made without a notification where some login has filled the queue of notifications.
  const looking = setInterval(readAgain, lookEveryMs);
  looking.unref();
  return {
    has: (tenantId) => suspended.has(tenantId),
    onSuspended: (callback) => {
      callbacks.push(callback);
    },
    close: async () => {
      clearInterval(looking);
      await unlisten();
      await reading;
    },
  };
}
