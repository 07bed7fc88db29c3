import { randomBytes } from 'node:crypto';
import { BoundedMap } from '../bounded-map.ts';
import type { RowShape } from './row-shape.ts';
import { quoteLiteral } from './statement.ts';
import type { WireConnection } from './wire-connection.ts';

/** Prepared statements kept per connection; the one unused for longest is closed when one more is needed. */
const maxPreparedPerConnection = 250;
/** Texts remembered per role, and texts of settings. Generated SQL varies without end, so this has a bound, too. */
const maxTextsPerRole = 2000;
/** Roles whose texts are remembered. Tokens may name any number of them. */
const maxRoles = 200;

/** A preparation's name and text. */
export interface Prepared {
  /** Short, since each use sends it, and never given twice by any process: behind a pooler processes share sessions. */
  readonly name: string;
  readonly text: string;
  /**
   * The text for poolers that keep track of prepared statements: they take statements of one text for one statement. This
   * one differs by role, whose plan it is, and by what has become of its predecessors.
   */
  readonly trackedText: string;
}

/** What tells this process's names from those of every other process. */
const processTag = randomBytes(6).toString('base64url');
let lastName = 0;
// Names are never given twice, so a connection that still has a statement that is forgotten here is in nobody's way.
const preparedByRole = new BoundedMap<string, BoundedMap<string, Prepared>>(maxRoles);
const settingsStatements = new BoundedMap<string, Prepared>(maxTextsPerRole);

function newPreparation(role: string, text: string, successor = false): Prepared {
  const number = ++lastName;
  const mark = `${role.replaceAll(/[^\w ]/g, '_')}${successor ? ` ${processTag}.${number}` : ''}`;
  return { name: `lt${processTag}.${number}`, text, trackedText: `${text}\n/* ${mark} */` };
}

/** Whether an error of the server is about a name that this process gave to a statement. */
export function namesPreparation({ message }: Error): boolean {
  return message.includes(`lt${processTag}.`);
}

/** The preparation of a text by a role: the same one for as long as the text is remembered. */
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
 * From now on the role's statement is prepared anew, under another name: what it returns has changed. The pooler that
 * keeps track of statements would give the stale one back for the same text.
 */
export function replacePreparation(role: string, stale: Prepared): void {
  const texts = preparedByRole.get(role);
  // Unless another connection has replaced it already.
  if (texts?.get(stale.text) === stale) texts.set(stale.text, newPreparation(role, stale.text, true));
}

/**
 * The statement that sets settings of these names, in this order, for the transaction; the values are its parameters. The
 * names stand in the text: half the parameters, on every request. Callers have a handful of sets of them.
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

/** What one connection has prepared, in order of use, with what each returns (null: not described yet). */
export class PreparedStatements {
  readonly #known = new Map<string, RowShape | null>();
  readonly #parsing: (string | null)[] = [];
  /** Names that are of no use any more, to be closed before anything else is sent. */
  readonly #discarded = new Set<string>();

  constructor(wire: WireConnection) {
    wire.on('parseComplete', () => {
      const name = this.#parsing.shift();
      if (name) this.#known.set(name, null);
    });
  }

  /**
   * Closes the statements unused for longest so that these fit. Before anything else is sent: after an error the server
   * skips what follows, a Close, too, and would keep a statement that we take for gone.
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

  /** Sends Parse unless the connection has the statement already, or is about to. */
  parseOnce(wire: WireConnection, { name, text, trackedText }: Prepared, tracked: boolean): void {
    if (this.#known.has(name) || this.#parsing.includes(name)) return;
    this.#parsing.push(name);
    wire.parse({ name, text: tracked ? trackedText : text });
  }

  /** Sends Parse of a statement that is not kept. */
  parseUnnamed(wire: WireConnection, text: string): void {
    this.#parsing.push(null);
    wire.parse({ name: '', text });
  }

  /** Null: not described yet. */
  shapeOf(prepared: Prepared): RowShape | null {
    return this.#known.get(prepared.name) ?? null;
  }

  remember(prepared: Prepared, shape: RowShape): void {
    if (this.#known.get(prepared.name) === null) this.#known.set(prepared.name, shape);
  }

  /**
   * After an error the server skipped everything up to Sync: no further ParseComplete comes. It does not know those names;
   * a pooler that keeps track of them does, and cuts off who gives one twice.
   */
  abandonParses(): void {
    for (const name of this.#parsing) if (name !== null) this.#discarded.add(name);
    this.#parsing.length = 0;
  }

  /** Closes the statement at the next use of the connection: a message alone would hold a pooler's session until then. */
  forget(prepared: Prepared): void {
    if (this.#known.delete(prepared.name)) this.#discarded.add(prepared.name);
  }
}

const statementsByConnection = new WeakMap<WireConnection, PreparedStatements>();

/** The one list of a connection. */
export function preparedStatementsOf(wire: WireConnection): PreparedStatements {
  let statements = statementsByConnection.get(wire);
  if (!statements) statementsByConnection.set(wire, (statements = new PreparedStatements(wire)));
  return statements;
}
