import type { Batch } from '../front/batch.ts';
import type { Client } from '../front/client.ts';
import type { Consequences } from '../front/session-state.ts';
import { loadedAfter, untouched } from './group.ts';
import type { Item, Loaded } from './group.ts';

/** What is known of the engine's one session: whose settings and leftovers it holds, and what Postgres reported of it. */
export class HeldSession {
  #parameters = new Map<string, string>();
  /** The reported settings when the session was last known to be what its key says. */
  #expected: ReadonlyMap<string, string> = new Map();
  #loaded: Loaded = untouched;
  #staleStatements: string[] = [];

  /** Values of the settings that Postgres reports. */
  get parameters(): ReadonlyMap<string, string> {
    return this.#parameters;
  }

  get loaded(): Loaded {
    return this.#loaded;
  }

  /** Another engine has come up. */
  begin(parameters: ReadonlyMap<string, string>): void {
    this.#parameters = new Map(parameters);
    this.#expected = parameters;
  }

  /** The engine is gone, and with it what anybody had left in its session. */
  end(): void {
    this.#loaded.owner?.lose(this.#loaded.residues);
    this.#loaded = untouched;
    this.#staleStatements = [];
  }

  report(parameters: Iterable<readonly [name: string, value: string]>): void {
    for (const [name, value] of parameters) this.#parameters.set(name, value);
  }

  /** Nobody uses the statements of a client any more. */
  forgetStatementsOf(client: Client): void {
    this.#staleStatements.push(...client.statements.engineNames());
  }

  /** Names in the engine of statements that nobody uses any more, once each. */
  takeStaleStatements(): string[] {
    return this.#staleStatements.splice(0);
  }

  /** The session became another client's. */
  switchedTo(after: Loaded): void {
    if (this.#loaded.owner !== after.owner) this.#loaded.owner?.lose(this.#loaded.residues);
    this.#loaded = after;
    this.#expected = new Map(this.#parameters);
  }

  /** Whose the unnamed statement is from now on; null: nobody's, or not known. */
  unnamedBelongsTo(client: Client | null): void {
    this.#loaded = { ...this.#loaded, unnamed: client };
  }

  /** Work between the batches was done. */
  after(purpose: Item['purpose']): void {
    this.#loaded = loadedAfter(purpose, this.#loaded);
  }

  /** A batch has ended outside of a transaction. */
  batchEnded(client: Client, batch: Batch | null, consequences: Consequences): void {
    const residues = new Set([...this.#loaded.residues, ...consequences.residues]);
    const sets = batch?.steps.some((step) => step.effects.length > 0) ?? false;
    // A function has changed what only SET should.
    if (!sets && this.#parametersChanged()) residues.add('settings');
    this.#expected = new Map(this.#parameters);
    this.#loaded = {
      key: consequences.reload ? null : client.session.key,
      residues,
      owner: residues.size > 0 ? client : null,
      unnamed: this.#loaded.unnamed,
    };
  }

  #parametersChanged(): boolean {
    for (const [name, value] of this.#parameters) if (this.#expected.get(name) !== value) return true;
    return false;
  }
}
