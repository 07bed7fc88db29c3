import { createHash } from 'node:crypto';
import type { Statement } from '../sql/sql-text.ts';

/**
 * A statement that a client prepared: how to prepare it again on an engine that lost it, and the effects of
 * executing it.
 */
export interface Prepared {
  /** Messages in the engine's terms, without a Sync. */
  readonly restore: readonly Uint8Array[];
  readonly statements: readonly Statement[];
}

/**
 * The prepared statements of one client. All clients share the engine's one session and its one set of names,
 * so each client's names get a prefix there: two connections may both prepare `a`. Names are latin1, as
 * everywhere in this folder.
 *
 * The unnamed statement has the name '' and stays unnamed. A client that needs its own after another client
 * used the engine parses it again (scheduler.ts).
 */
export class PreparedStatements {
  readonly #prefix: string;
  readonly #known = new Map<string, Prepared>();

  /** `prefix` belongs to one client alone, and is short, plain ASCII. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The name in the engine. Postgres cuts names at 63 bytes, so a long name is replaced by its hash. */
  engineName(name: string): string {
    if (name === '') return '';
    const prefixed = this.#prefix + name;
    if (prefixed.length <= 63) return prefixed;
    return this.#prefix + createHash('sha256').update(name, 'latin1').digest('base64url');
  }

  get(name: string): Prepared | undefined {
    return this.#known.get(name);
  }

  /** Records a statement that the engine has accepted. */
  add(name: string, prepared: Prepared): void {
    this.#known.set(name, prepared);
  }

  delete(name: string): void {
    this.#known.delete(name);
  }

  clear(): void {
    this.#known.clear();
  }

  /** Names in the engine, without the unnamed one. */
  engineNames(): string[] {
    return [...this.#known.keys()].filter((name) => name !== '').map((name) => this.engineName(name));
  }

  /** The statements that have a name, in the order of their preparation. */
  named(): Prepared[] {
    return [...this.#known].filter(([name]) => name !== '').map(([, prepared]) => prepared);
  }
}
