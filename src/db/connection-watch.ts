import type { BoundedClient, Watch } from './bounded-client.ts';
import { ConnectionLost } from './database.ts';

/** A query that knows how long the server may work on it. */
export interface TimedQuery {
  /** In milliseconds, for a connection whose `statement_timeout` is `statementTimeoutMs`; 0: no limit. */
  serverLimitMs(statementTimeoutMs: number): number;
}

/**
 * Whether the server works on the statement of a silent connection. `unknown`: the server cannot be asked.
 * Never rejects.
 */
export type IsWorkedOn = (silent: BoundedClient) => Promise<'yes' | 'no' | 'unknown'>;

/** Interval between two looks at the connections, and so the precision of their limits. */
const lookEveryMs = 250;
/**
 * How many times `silenceMs` a server may be silent about a statement without a time limit before it is asked
 * about it.
 */
const silencesBeforeAsking = 3;
/** A server behind a pooler cannot be asked about another connection: its silence is accepted for this long. */
const believedMs = 3_600_000;

/**
 * Gives up connections whose server does not answer. A network that forgot a connection tells neither end: a
 * `statement_timeout` (the server's) and even the death of the server go unheard.
 *
 * A query whose statements have a time limit must be answered whole within that limit and `silenceMs`. A query
 * without one (a vacuum, an import) may take as long as the server works on it: when no bytes have come or gone
 * for a while, the server is asked over another connection.
 *
 * One timer looks at all connections of a pool four times a second, so a query costs nothing, where a timer of
 * its own would. Time is counted in looks and not by the clock. So a process that was suspended or busy does
 * not mistake answers that it has not read yet for missing ones.
 */
export class ConnectionWatch implements Watch {
  readonly #watched = new Map<BoundedClient, Wait>();
  readonly #isWorkedOn: IsWorkedOn;
  #timer: NodeJS.Timeout | undefined;

  constructor(isWorkedOn: IsWorkedOn) {
    this.#isWorkedOn = isWorkedOn;
  }

  add(client: BoundedClient): void {
    this.#watched.set(client, { query: null, looks: 0, traffic: 0, asking: false });
    this.#timer ??= setInterval(() => this.#look(), lookEveryMs).unref();
  }

  delete(client: BoundedClient): void {
    this.#watched.delete(client);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    for (const [client, wait] of this.#watched) {
      const query = client.unanswered;
      if (query !== null && query === wait.query) this.#count(client, wait, query);
      else if (query !== null || wait.query !== null) begin(wait, query, client);
    }
  }

  #count(client: BoundedClient, wait: Wait, query: object): void {
    const { statementTimeoutMs, silenceMs } = client.limits;
    const serverMs = isTimed(query) ? query.serverLimitMs(statementTimeoutMs) : statementTimeoutMs;
    wait.looks += 1;
    if (serverMs > 0) {
      if (wait.looks * lookEveryMs >= serverMs + silenceMs) giveUp(client, serverMs + silenceMs);
      return;
    }
    const { traffic } = client;
    if (traffic !== wait.traffic || client.isFeeding) {
      begin(wait, query, client);
      return;
    }
    const looksBeforeAsking = Math.ceil((silencesBeforeAsking * silenceMs) / lookEveryMs);
    if (client.limits.kind === 'server' && wait.looks % looksBeforeAsking === 0 && !wait.asking) {
      void this.#ask(client, wait, query, wait.looks * lookEveryMs);
    }
  }

  /** Never rejects. */
  async #ask(client: BoundedClient, wait: Wait, query: object, silentMs: number): Promise<void> {
    wait.asking = true;
    const verdict = await this.#isWorkedOn(client);
    wait.asking = false;
    const isSilent = (): boolean =>
      this.#watched.has(client) && wait.query === query && client.traffic === wait.traffic;
    if (verdict === 'yes' || !isSilent()) return;
    if (verdict === 'unknown') {
      if (silentMs >= believedMs) giveUp(client, silentMs);
      return;
    }
    // The answer may be on its way, and has the usual time to arrive.
    setTimeout(() => {
      if (isSilent()) giveUp(client, silentMs);
    }, client.limits.silenceMs).unref();
  }
}

/** The wait for one answer. */
interface Wait {
  query: object | null;
  looks: number;
  /** Bytes that had come and gone when the query was first seen, or when traffic was last noticed. */
  traffic: number;
  asking: boolean;
}

function begin(wait: Wait, query: object | null, client: BoundedClient): void {
  wait.query = query;
  wait.looks = 0;
  wait.traffic = query === null ? 0 : client.traffic;
}

function giveUp(client: BoundedClient, afterMs: number): void {
  const message = `the database did not answer within ${afterMs / 1000} s, so the connection was given up`;
  client.giveUp(new ConnectionLost(message, { reason: 'silent' }));
}

function isTimed(query: object): query is TimedQuery {
  return 'serverLimitMs' in query;
}
