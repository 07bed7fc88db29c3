/** What Server-Timing tells of: REST's stages in the order in which they happen, GraphQL's `execute`, and what readiness waits for. */
export type Stage = 'jwt' | 'parse' | 'plan' | 'transaction' | 'execute' | 'response' | 'database';

/** Measures how long the stages of one request take. */
export class Stopwatch {
  #since = performance.now();
  #header = '';

  /** The stage that was under way has come to its end. */
  lap(stage: Stage): void {
    const now = performance.now();
    this.#header += `${this.#header === '' ? '' : ', '}${stage};dur=${(now - this.#since).toFixed(1)}`;
    this.#since = now;
  }

  /** Value of the Server-Timing header: milliseconds (PostgREST, Observability, Server-Timing Header). */
  get header(): string {
    return this.#header;
  }
}
