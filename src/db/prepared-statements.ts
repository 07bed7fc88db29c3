import type { RowShape } from './row-shape.ts';
import { quoteLiteral } from './statement.ts';
import type { WireConnection } from './wire-connection.ts';

/** Prepared statements kept per connection; the one unused for longest is closed when one more is needed. */
const maxPreparedPerConnection = 250;
/** Texts remembered per role, and texts of settings. Generated SQL varies without end, so this has a bound, too. */
const maxTextsPerRole = 2000;
/** Roles whose texts are remembered. Tokens may name any number of them. */
const maxRoles = 200;

/** A preparation's name and text. Names are short, and unique in the process: Postgres cuts them at 63 bytes. */
export interface Prepared {
  readonly name: string;
  readonly text: string;
}

let lastName = 0;
const preparedByRole = new Map<string, Map<string, Prepared>>();
const settingsStatements = new Map<string, Prepared>();

/** The preparation of a text by a role: the same one for as long as the text is remembered. */
export function preparedFor(role: string, text: string): Prepared {
  let texts = preparedByRole.get(role);
  if (!texts) remember(preparedByRole, role, (texts = new Map()), maxRoles);
  let prepared = texts.get(text);
  if (!prepared) {
    prepared = { name: `lt${++lastName}`, text };
    remember(texts, text, prepared, maxTextsPerRole);
  }
  return prepared;
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
    prepared = { name: `lt${++lastName}`, text: `select ${calls.join(', ')}` };
    remember(settingsStatements, key, prepared, maxTextsPerRole);
  }
  return prepared;
}

/** Names are never given twice, so what is forgotten while a connection still has it is in nobody's way. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value, most: number): void {
  if (map.size >= most) {
    const oldest = map.keys().next();
    if (!oldest.done) map.delete(oldest.value);
  }
  map.set(key, value);
}

/** What one connection has prepared, in order of use, with what each returns (null: not described yet). */
export class PreparedStatements {
  readonly #known = new Map<string, RowShape | null>();
  readonly #parsing: (string | null)[] = [];

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
  parseOnce(wire: WireConnection, prepared: Prepared): void {
    if (this.#known.has(prepared.name) || this.#parsing.includes(prepared.name)) return;
    this.#parsing.push(prepared.name);
    wire.parse(prepared);
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

  /** After an error the server skipped everything up to Sync: no further ParseComplete comes. */
  abandonParses(): void {
    this.#parsing.length = 0;
  }

  forget(wire: WireConnection, prepared: Prepared): void {
    if (this.#known.delete(prepared.name)) wire.close({ type: 'S', name: prepared.name });
  }
}

const statementsByConnection = new WeakMap<WireConnection, PreparedStatements>();

/** The one list of a connection. */
export function preparedStatementsOf(wire: WireConnection): PreparedStatements {
  let statements = statementsByConnection.get(wire);
  if (!statements) statementsByConnection.set(wire, (statements = new PreparedStatements(wire)));
  return statements;
}
