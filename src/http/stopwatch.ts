/**
 * The stages in Server-Timing: REST's in the order in which they happen, GraphQL's `execute`, and readiness's
 * `database`.
 */
export type Stage = 'jwt' | 'parse' | 'plan' | 'transaction' | 'execute' | 'response' | 'database';

/** Measures how long the stages of one request take. */
export class Stopwatch {
  #since = performance.now();
  #header = '';

  /** Ends the current stage. */
  lap(stage: Stage): void {
    const now = performance.now();
    this.#header += `${this.#header === '' ? '' : ', '}${stage};dur=${(now - this.#since).toFixed(1)}`;
    this.#since = now;
  }

  /** The value of the Server-Timing header, in milliseconds (PostgREST, Observability, Server-Timing Header). */
  get header(): string {
    return this.#header;
  }
}
