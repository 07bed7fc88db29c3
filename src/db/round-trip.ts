import { DatabaseError } from 'pg';
import { prepareValue } from 'pg/lib/utils.js';
import type { Connection, FieldDef, PoolClient } from 'pg';
import type { TransactionSettings } from './database.ts';
import { RowShape } from './row-shape.ts';
import { quoteLiteral } from './statement.ts';
import type { Statement, StatementResult } from './statement.ts';

/** Prepared statements kept per connection; the one unused for longest is closed when one more is needed. */
const maxPreparedPerConnection = 250;
/** Texts remembered per role. Generated SQL varies without end, so this has a bound, too. */
const maxTextsPerRole = 2000;

/**
 * Runs a statement under transaction-local settings in ONE round trip: Bind and Execute of `select set_config(...)`,
 * Bind and Execute of the statement, one Sync. All messages before a Sync form one implicit transaction, and that is
 * what the settings are local to.
 *
 * Why our own: node-postgres sends one statement per Sync, so a role and a statement take four round trips with it
 * (`begin`, settings, statement, `commit`); this is what makes row-level security free on the wire. It is a
 * `Submittable`, node-postgres' own extension point.
 *
 * The statement is parsed after the role was set and its preparation belongs to that role: a cached plan under
 * row-level security is bound to the role that planned it, and Postgres would plan anew at every change of role.
 *
 * `role` is whom preparations belong to: the settings' role, or in an explicit transaction the one set at its beginning.
 * The client is the caller's before and after; after an error it may be released at once, node-postgres holds further
 * statements back until it is ready.
 */
export async function roundTrip<Row>(
  client: PoolClient,
  settings: TransactionSettings,
  statement: Statement,
  role = settings['role'] ?? '',
): Promise<StatementResult<Row>> {
  try {
    return await submit<Row>(client, settings, statement, role);
  } catch (error) {
    // DDL changed what a prepared statement returns. Nothing ran and the stale preparation is gone now: once more,
    // unless the role was set before, that is, in an explicit transaction, which the error ended.
    if (isStalePlan(error) && role === (settings['role'] ?? ''))
      return submit<Row>(client, settings, statement, role);
    throw error;
  }
}

function submit<Row>(client: PoolClient, settings: TransactionSettings, statement: Statement, role: string) {
  return new Promise<StatementResult<Row>>((resolve, reject) => {
    client.query(new RoundTrip<Row>(settings, statement, role, resolve, reject));
  });
}

function isStalePlan(error: unknown): boolean {
  return (
    error instanceof DatabaseError &&
    error.code === '0A000' &&
    error.message === 'cached plan must not change result type'
  );
}

/** What node-postgres calls while messages of this query arrive. */
class RoundTrip<Row> {
  readonly #settings: TransactionSettings;
  readonly #statement: Statement;
  readonly #role: string;
  readonly #resolve: (result: StatementResult<Row>) => void;
  readonly #reject: (error: Error) => void;
  readonly #rows: Row[] = [];
  #shape: RowShape | null = null;
  #rowCount: number | null = null;
  #prepared: Prepared | undefined;
  #settingsDone = false;
  #failure: Error | undefined;

  constructor(
    settings: TransactionSettings,
    statement: Statement,
    role: string,
    resolve: (result: StatementResult<Row>) => void,
    reject: (error: Error) => void,
  ) {
    this.#settings = settings;
    this.#statement = statement;
    this.#role = role;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: Connection): Error | null {
    const wire = connection as unknown as WireConnection;
    // Values that cannot be serialised must throw before the first message is on the wire.
    let values: unknown[];
    try {
      values = (this.#statement.values ?? []).map((value) => prepareValue(value));
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
    const names = Object.keys(this.#settings);
    wire.stream.cork();
    try {
      const state = statementsOf(wire);
      const settingsStatement = names.length > 0 ? preparedSettings(names) : undefined;
      const prepared = this.#statement.prepare ? preparedFor(this.#role, this.#statement.text) : undefined;
      state.makeRoomFor(wire, settingsStatement, prepared);
      if (settingsStatement === undefined) {
        this.#settingsDone = true;
      } else {
        state.parseOnce(wire, settingsStatement);
        wire.bind({
          statement: settingsStatement.name,
          values: Object.values(this.#settings),
        });
        wire.execute({});
      }
      if (prepared) {
        this.#prepared = prepared;
        state.parseOnce(wire, prepared);
        wire.bind({ statement: prepared.name, values });
        // What a preparation returns does not change while it lives: described once, then the rows come bare.
        this.#shape = state.shapeOf(prepared);
        if (this.#shape === null) wire.describe({ type: 'P', name: '' });
      } else {
        wire.parse({ name: '', text: this.#statement.text });
        state.expectUnnamed();
        wire.bind({ values });
        wire.describe({ type: 'P', name: '' });
      }
      wire.execute({});
      wire.sync();
    } finally {
      wire.stream.uncork();
    }
    return null;
  }

  handleRowDescription(message: { fields: FieldDef[] }): void {
    this.#shape = new RowShape(message.fields);
  }

  handleDataRow(message: { fields: (string | null)[] }): void {
    // The settings' own row: what was set, known already.
    if (!this.#settingsDone || this.#failure || this.#shape === null) return;
    try {
      const { fields } = message;
      const row = this.#statement.arrayMode ? this.#shape.toArray(fields) : this.#shape.toObject(fields);
      this.#rows.push(row as Row);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  handleCommandComplete(message: { text: string }, connection?: Connection): void {
    if (!this.#settingsDone) {
      this.#settingsDone = true;
      return;
    }
    // `INSERT 0 5`, `SELECT 3`; `CREATE TABLE` has no count.
    const count = / (\d+)$/.exec(message.text)?.[1];
    if (count !== undefined) this.#rowCount = Number(count);
    if (this.#prepared && connection) {
      statementsOf(connection as unknown as WireConnection).remember(
        this.#prepared,
        this.#shape ?? RowShape.none,
      );
    }
  }

  handleEmptyQuery(): void {
    // An empty text: no rows, no command. ReadyForQuery settles it.
  }

  handleError(error: Error, connection?: Connection): void {
    if (connection) {
      const wire = connection as unknown as WireConnection;
      const state = statementsOf(wire);
      state.abandonParses();
      if (this.#prepared && isStalePlan(error)) state.forget(wire, this.#prepared);
    }
    this.#reject(error);
  }

  handleReadyForQuery(): void {
    if (this.#failure) this.#reject(this.#failure);
    else this.#resolve({ rows: this.#rows, rowCount: this.#rowCount });
  }

  handlePortalSuspended(): void {
    // Never sent: Execute asks for all rows.
  }

  handleCopyInResponse(connection: Connection): void {
    const wire = connection as unknown as WireConnection;
    wire.sendCopyFail('COPY FROM STDIN needs a stream: use Transaction.copyFrom');
    // Waiting for data, the server threw the Sync away that was sent with the statement.
    wire.sync();
  }

  handleCopyData(): void {
    this.#failure ??= new Error('COPY TO STDOUT needs a stream of its own connection');
  }
}

/** A preparation's name and text. Names are short, and unique in the process: Postgres cuts them at 63 bytes. */
interface Prepared {
  readonly name: string;
  readonly text: string;
}

let lastName = 0;
const preparedByRole = new Map<string, Map<string, Prepared>>();
const settingsStatements = new Map<string, Prepared>();

function preparedFor(role: string, text: string): Prepared {
  let texts = preparedByRole.get(role);
  if (!texts) preparedByRole.set(role, (texts = new Map()));
  let prepared = texts.get(text);
  if (!prepared) {
    if (texts.size >= maxTextsPerRole) {
      const oldest = texts.keys().next();
      if (!oldest.done) texts.delete(oldest.value);
    }
    prepared = { name: `lt${++lastName}`, text };
    texts.set(text, prepared);
  }
  return prepared;
}

/** The names stand in the text: half the parameters, on every request. Callers have a handful of sets of them. */
function preparedSettings(names: readonly string[]): Prepared {
  const key = names.join();
  let prepared = settingsStatements.get(key);
  if (!prepared) {
    const calls = names.map((name, i) => `pg_catalog.set_config(${quoteLiteral(name)}, $${i + 1}, true)`);
    prepared = { name: `lt_settings_${settingsStatements.size}`, text: `select ${calls.join(', ')}` };
    settingsStatements.set(key, prepared);
  }
  return prepared;
}

/** What one connection has prepared, in order of use, with what each returns (null: not described yet). */
class Statements {
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
  makeRoomFor(wire: WireConnection, ...wanted: readonly (Prepared | undefined)[]): void {
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

  /** Sends Parse unless the connection has the statement already. */
  parseOnce(wire: WireConnection, prepared: Prepared): void {
    if (this.#known.has(prepared.name)) return;
    this.#parsing.push(prepared.name);
    wire.parse(prepared);
  }

  /** An unnamed statement's ParseComplete is coming: it names nothing to keep. */
  expectUnnamed(): void {
    this.#parsing.push(null);
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

const statementsByConnection = new WeakMap<WireConnection, Statements>();

function statementsOf(wire: WireConnection): Statements {
  let statements = statementsByConnection.get(wire);
  if (!statements) statementsByConnection.set(wire, (statements = new Statements(wire)));
  return statements;
}

/** The part of node-postgres' Connection that its types leave out or describe as of an older version. */
interface WireConnection {
  readonly stream: { cork(): void; uncork(): void };
  parse(message: { name: string; text: string }): void;
  bind(message: { statement?: string; values: unknown[] }): void;
  describe(message: { type: 'P' | 'S'; name: string }): void;
  execute(message: object): void;
  close(message: { type: 'S'; name: string }): void;
  sync(): void;
  sendCopyFail(reason: string): void;
  on(event: 'parseComplete', listener: () => void): void;
}
