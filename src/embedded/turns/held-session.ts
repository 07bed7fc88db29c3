import type { Batch } from '../front/batch.ts';
import type { Client } from '../front/client.ts';
import type { Consequences } from '../front/session-state.ts';
import { loadedAfter, untouched } from './group.ts';
import type { Item, Loaded } from './group.ts';

/**
 * The known state of the engine's one session: the client whose settings and leftovers it holds, and the
 * settings that Postgres reported.
 */
export class HeldSession {
  #parameters = new Map<string, string>();
  /** The reported settings at the moment when the session last matched its key. */
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

  /** Another engine has started. */
  begin(parameters: ReadonlyMap<string, string>): void {
    this.#parameters = new Map(parameters);
    this.#expected = parameters;
  }

  /** The engine is gone, and with it everything that clients had left in its session. */
  end(): void {
    this.#loaded.owner?.lose(this.#loaded.residues);
    this.#loaded = untouched;
    this.#staleStatements = [];
  }

  report(parameters: Iterable<readonly [name: string, value: string]>): void {
    for (const [name, value] of parameters) this.#parameters.set(name, value);
  }

  /** The statements of this client are not used any more. */
  forgetStatementsOf(client: Client): void {
    this.#staleStatements.push(...client.statements.engineNames());
  }

  /** Takes the engine names of statements that no client uses any more. Each is returned once. */
  takeStaleStatements(): string[] {
    return this.#staleStatements.splice(0);
  }

  /** The session now belongs to another client. */
  switchedTo(after: Loaded): void {
    if (this.#loaded.owner !== after.owner) this.#loaded.owner?.lose(this.#loaded.residues);
    this.#loaded = after;
    this.#expected = new Map(this.#parameters);
  }

  /** Sets the owner of the unnamed statement; null: nobody, or unknown. */
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
    // Settings changed in a batch without SET, so a function changed them.
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
