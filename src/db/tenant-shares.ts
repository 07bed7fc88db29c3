import { CallerLeft, DatabaseUnavailable } from './database.ts';

interface Tenant {
  using: number;
  readonly waiting: Waiter[];
}

interface Waiter {
  /** Null once it no longer waits. */
  begin: (() => void) | null;
}

/**
 * Bounds how many connections of a pool the requests of one tenant use at once. The pool serves whoever came first, so
 * a tenant with many slow statements would otherwise have all of them, and everybody else would wait behind it. A
 * request beyond the share waits in a line of its own tenant.
 */
export class TenantShares {
  readonly #most: number;
  readonly #waitMs: number;
  /** Tenants that use or wait for a connection at the moment. */
  readonly #tenants = new Map<string, Tenant>();
  #waiting = 0;

  /** @param waitMs how long a request waits for its turn before it gets a connection */
  constructor(most: number, waitMs: number) {
    this.#most = most;
    this.#waitMs = waitMs;
  }

  /** Requests that wait in a line of their tenant. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Null: the tenant's share has room, and it is used from now on. Otherwise resolves when it has. Rejects with
   * DatabaseUnavailable and CallerLeft, as the pool does. `leave` gives it back.
   */
  enter(tenantId: string, left: AbortSignal | null): Promise<void> | null {
    const known = this.#tenants.get(tenantId);
    if (known === undefined) {
      this.#tenants.set(tenantId, { using: 1, waiting: [] });
      return null;
    }
    if (known.using < this.#most) {
      known.using += 1;
      return null;
    }
    return this.#wait(known, left);
  }

  /** The request no longer uses its connection. */
  leave(tenantId: string): void {
    const tenant = this.#tenants.get(tenantId);
    if (tenant === undefined) return;
    for (let next = tenant.waiting.shift(); next !== undefined; next = tenant.waiting.shift()) {
      if (next.begin === null) continue;
      next.begin();
      return;
    }
    tenant.using -= 1;
    if (tenant.using === 0) this.#tenants.delete(tenantId);
  }

  #wait(tenant: Tenant, left: AbortSignal | null): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { begin: null };
      const end = (): void => {
        if (waiter.begin !== null) this.#waiting -= 1;
        waiter.begin = null;
        clearTimeout(timer);
        left?.removeEventListener('abort', leave);
      };
      const leave = (): void => {
        end();
        reject(new CallerLeft());
      };
      const timer = setTimeout(() => {
        end();
        const message = `the ${this.#most} connections that one tenant may use stayed in use for ${this.#waitMs / 1000} s`;
        reject(new DatabaseUnavailable(message, { reason: 'busy' }));
      }, this.#waitMs);
      if (left?.aborted === true) {
        leave();
        return;
      }
      left?.addEventListener('abort', leave, { once: true });
      waiter.begin = () => {
        end();
        resolve();
      };
      this.#waiting += 1;
      tenant.waiting.push(waiter);
    });
  }
}
