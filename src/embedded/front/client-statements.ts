import { createHash } from 'node:crypto';
import type { Statement } from '../sql/sql-text.ts';

/** A statement that a client prepared: how to make it again on an engine that lost it, and what executing it does. */
export interface Prepared {
  /** Messages in the engine's terms, without a Sync. */
  readonly restore: readonly Uint8Array[];
  readonly statements: readonly Statement[];
}

/**
 * The prepared statements of one client. All clients share the engine's one session and so its one set of names, so each
 * client's names get a prefix there: two connections may both prepare `a`. Names are latin1, as everywhere here.
 *
 * The unnamed statement has the name '' and stays unnamed: whoever needs its own after somebody else used the engine
 * parses it again (scheduler.ts).
 */
export class PreparedStatements {
  readonly #prefix: string;
  readonly #known = new Map<string, Prepared>();

  /** `prefix` is of one client alone, short and plain ASCII. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The name in the engine. Postgres cuts names at 63 bytes, so a long one is replaced by its hash. */
  engineName(name: string): string {
    if (name === '') return '';
    const prefixed = this.#prefix + name;
    if (prefixed.length <= 63) return prefixed;
    return this.#prefix + createHash('sha256').update(name, 'latin1').digest('base64url');
  }

  get(name: string): Prepared | undefined {
    return this.#known.get(name);
  }

  /** Records what the engine has accepted. */
  add(name: string, prepared: Prepared): void {
    this.#known.set(name, prepared);
  }

  delete(name: string): void {
    this.#known.delete(name);
  }

  clear(): void {
    this.#known.clear();
  }

  /** Names in the engine, the unnamed one left out. */
  engineNames(): string[] {
    return [...this.#known.keys()].filter((name) => name !== '').map((name) => this.engineName(name));
  }

  /** What was prepared under a name, in order. */
  named(): Prepared[] {
    return [...this.#known].filter(([name]) => name !== '').map(([, prepared]) => prepared);
  }
}
