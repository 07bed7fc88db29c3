import { randomBytes } from 'node:crypto';
import { BoundedMap } from '../bounded-map.ts';
import type { RowShape } from './row-shape.ts';
import { quoteLiteral } from './statement.ts';
import type { WireConnection } from './wire-connection.ts';

/** Prepared statements kept per connection. The least recently used one is closed when one more is needed. */
const maxPreparedPerConnection = 250;
/** Texts remembered per role, and texts of settings. Generated SQL varies without end, so both have a bound. */
const maxTextsPerRole = 2000;
/** Roles whose texts are remembered. Tokens may name any number of roles, so they have a bound as well. */
const maxRoles = 200;

/** A preparation's name and text. */
export interface Prepared {
  /** Short, because each use sends it, and unique across processes: behind a pooler, processes share sessions. */
  readonly name: string;
  readonly text: string;
  /**
   * The text for poolers that keep track of prepared statements and treat statements of one text as one
   * statement. It differs by role, because a plan belongs to a role, and by preparation, so that a new one is
   * not taken for a stale one.
   */
  readonly trackedText: string;
}

/** Distinguishes this process's names from those of all other processes. */
const processTag = randomBytes(6).toString('base64url');
let lastName = 0;
// A connection may still have a statement prepared that is forgotten here. That does no harm, because names are never
// given twice.
const preparedByRole = new BoundedMap<string, BoundedMap<string, Prepared>>(maxRoles);
const settingsStatements = new BoundedMap<string, Prepared>(maxTextsPerRole);

function newPreparation(role: string, text: string, successor = false): Prepared {
  const number = ++lastName;
  const mark = `${role.replaceAll(/[^\w ]/g, '_')}${successor ? ` ${processTag}.${number}` : ''}`;
  return { name: `lt${processTag}.${number}`, text, trackedText: `${text}\n/* ${mark} */` };
}

/** Whether a server's error is about a name that this process gave to a statement. */
export function namesPreparation({ message }: Error): boolean {
  return message.includes(`lt${processTag}.`);
}

/** The preparation of a text for a role. It stays the same for as long as the text is remembered. */
export function preparedFor(role: string, text: string): Prepared {
  let texts = preparedByRole.get(role);
  if (!texts) preparedByRole.set(role, (texts = new BoundedMap(maxTextsPerRole)));
  let prepared = texts.get(text);
  if (!prepared) {
    prepared = newPreparation(role, text);
    texts.set(text, prepared);
  }
  return prepared;
}

/**
 * Has the role's statement prepared anew, under another name, because its result type has changed. A pooler
 * that keeps track of statements would return the stale preparation for the same text.
 */
export function replacePreparation(role: string, stale: Prepared): void {
  const texts = preparedByRole.get(role);
  // Another connection may have replaced it already.
  if (texts?.get(stale.text) === stale) texts.set(stale.text, newPreparation(role, stale.text, true));
}

/**
 * The statement that sets settings of these names, in this order, for the transaction. The values are its
 * parameters. The names are part of the text, which halves the parameters of every request; callers use only a
 * handful of sets of names.
 */
export function preparedSettings(names: readonly string[]): Prepared {
  const key = names.join('\0');
  let prepared = settingsStatements.get(key);
  if (!prepared) {
    const calls = names.map((name, i) => `pg_catalog.set_config(${quoteLiteral(name)}, $${i + 1}, true)`);
    prepared = newPreparation('', `select ${calls.join(', ')}`);
    settingsStatements.set(key, prepared);
  }
  return prepared;
}

/**
 * The statements that one connection has prepared, in order of use, with the shape of each result (null: not
 * described yet).
 */
export class PreparedStatements {
  readonly #known = new Map<string, RowShape | null>();
  readonly #parsing: (string | null)[] = [];
  /** Names that are not needed any more. They are closed before anything else is sent. */
  readonly #discarded = new Set<string>();

  constructor(wire: WireConnection) {
    wire.on('parseComplete', () => {
      const name = this.#parsing.shift();
      if (name) this.#known.set(name, null);
    });
  }

  /**
   * Closes the least recently used statements so that the wanted ones fit. Called before anything else is sent:
   * after an error the server skips all later messages, a Close included, and would keep a statement that we
   * count as closed.
   */
  makeRoomFor(wire: WireConnection, wanted: readonly (Prepared | null)[]): void {
    for (const name of this.#discarded) wire.close({ type: 'S', name });
    this.#discarded.clear();
    let missing = 0;
    for (const prepared of wanted) {
      if (!prepared) continue;
      const fields = this.#known.get(prepared.name);
      if (fields === undefined) {
        missing += 1;
      } else {
        this.#known.delete(prepared.name);
        this.#known.set(prepared.name, fields);
      }
    }
    for (const oldest of this.#known.keys()) {
      if (this.#known.size + missing <= maxPreparedPerConnection) break;
      this.#known.delete(oldest);
      wire.close({ type: 'S', name: oldest });
    }
  }

  /** Sends Parse, unless the connection has the statement already or its Parse is on the way. */
  parseOnce(wire: WireConnection, { name, text, trackedText }: Prepared, tracked: boolean): void {
    if (this.#known.has(name) || this.#parsing.includes(name)) return;
    this.#parsing.push(name);
    wire.parse({ name, text: tracked ? trackedText : text });
  }

  /** Sends Parse for a statement that is not kept. */
  parseUnnamed(wire: WireConnection, text: string): void {
    this.#parsing.push(null);
    wire.parse({ name: '', text });
  }

  /** The shape of a preparation's rows. Null: not described yet. */
  shapeOf(prepared: Prepared): RowShape | null {
    return this.#known.get(prepared.name) ?? null;
  }

  remember(prepared: Prepared, shape: RowShape): void {
    if (this.#known.get(prepared.name) === null) this.#known.set(prepared.name, shape);
  }

  /**
   * Called after an error, when the server skips everything up to Sync and sends no more ParseComplete. The
   * server does not know these names. A pooler that keeps track of them does, and cuts off a client that gives
   * one twice.
   */
  abandonParses(): void {
    for (const name of this.#parsing) if (name !== null) this.#discarded.add(name);
    this.#parsing.length = 0;
  }

  /**
   * Closes the statement at the next use of the connection. A Close on its own would occupy a pooler's session
   * until then.
   */
  forget(prepared: Prepared): void {
    if (this.#known.delete(prepared.name)) this.#discarded.add(prepared.name);
  }
}

const statementsByConnection = new WeakMap<WireConnection, PreparedStatements>();

/** The list of a connection's prepared statements. There is one per connection. */
export function preparedStatementsOf(wire: WireConnection): PreparedStatements {
  let statements = statementsByConnection.get(wire);
  if (!statements) statementsByConnection.set(wire, (statements = new PreparedStatements(wire)));
  return statements;
}
