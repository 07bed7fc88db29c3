import { DatabaseError } from 'pg';
import { prepareValue } from 'pg/lib/utils.js';
import type { Connection, FieldDef, PoolClient } from 'pg';
import { limitAnswer } from './answer-limit.ts';
import type { IsolationLevel, TransactionMode, TransactionSettings } from './database.ts';
import type { TimedQuery } from './connection-watch.ts';
import { millisecondsOf } from './duration.ts';
import type { Link } from './pooler.ts';
import {
  preparedFor,
  preparedSettings,
  preparedStatementsOf,
  replacePreparation,
} from './prepared-statements.ts';
import type { Prepared } from './prepared-statements.ts';
import { RowShape } from './row-shape.ts';
import type { Statement, StatementResult } from './statement.ts';
import { untilLeft } from './until-left.ts';
import { wireOf } from './wire-connection.ts';

/** A set of statements that goes to the server in one go. */
export interface Batch {
  /** Settings that hold for all of the statements, and for nothing else. */
  readonly settings: TransactionSettings;
  /** At least one. */
  readonly statements: readonly Statement[];
  /** Null: an implicit transaction, or the one that is open. */
  readonly mode: TransactionMode | null;
  /**
   * The role that preparations belong to: the settings' role, or in an open transaction the role set at its
   * beginning.
   */
  readonly role: string;
  /** False: nothing is prepared, whatever the statements say. */
  readonly prepare: boolean;
  /** Where the client leads. */
  readonly link: Link;
}

/**
 * Runs statements under transaction-local settings in ONE round trip: Bind and Execute of `select
 * set_config(...)`, Bind and Execute of each statement, one Sync. All messages before a Sync form one implicit
 * transaction, and the settings are local to it. With a `mode`, BEGIN comes before them and COMMIT or ROLLBACK
 * after. Returns a result for each statement. When one fails, none takes effect.
 *
 * Our own, because node-postgres sends one statement per Sync, so a role and a statement take four round trips
 * with it (`begin`, settings, statement, `commit`). This function makes row-level security free on the wire. It
 * is a `Submittable`, node-postgres' own extension point.
 *
 * Statements are parsed after the role was set, and their preparation belongs to that role: a cached plan under
 * row-level security is bound to the role that planned it, and Postgres would plan anew at every change of
 * role.
 *
 * The client is the caller's before and after. After an error it may be released at once, because node-postgres
 * holds further statements back until the connection is ready.
 *
 * @param left aborts when nobody waits for the results any longer; null: somebody always does
 */
export async function roundTrip(
  client: PoolClient,
  batch: Batch,
  left: AbortSignal | null = null,
): Promise<readonly StatementResult<unknown>[]> {
  // DDL may have changed the result of a prepared statement. Then nothing took effect and the stale preparation
  // is gone, so the batch runs again, and once more for each other statement of it that is stale. An open
  // transaction is not repeated, because the error has ended it.
  const retries = batch.role === (batch.settings['role'] ?? '') ? batch.statements.length : 0;
  for (let attempt = 0; ; attempt++) {
    try {
      return left === null
        ? await submit(client, batch)
        : await untilLeft(client, batch.link, left, () => submit(client, batch));
    } catch (error) {
      // The server skipped the messages after the error, ROLLBACK included, so this rare case takes a second
      // round trip. A connection that cannot even roll back is dead, and the pool drops it. The caller gets the
      // original error.
      if (batch.mode) await client.query('rollback').catch(() => {});
      if (!isStalePlan(error) || attempt >= retries) throw error;
    }
  }
}

function submit(client: PoolClient, batch: Batch): Promise<readonly StatementResult<unknown>[]> {
  return new Promise((resolve, reject) => {
    client.query(new RoundTrip(batch, resolve, reject));
  });
}

function isStalePlan(error: unknown): boolean {
  return (
    error instanceof DatabaseError &&
    error.code === '0A000' &&
    error.message === 'cached plan must not change result type'
  );
}

/** A statement that was sent, and the answer so far. */
interface Step {
  readonly text: string;
  readonly values: unknown[];
  /** Null: the statement is parsed anew. */
  readonly prepared: Prepared | null;
  /** The caller's result. Null for steps without one (settings, BEGIN, COMMIT). */
  readonly result: { readonly rows: unknown[]; rowCount: number | null } | null;
  readonly arrayMode: boolean;
  shape: RowShape | null;
}

/** The steps of a batch. Throws when a value cannot be serialised. */
function stepsOf({ settings, statements, mode, role, prepare: wanted, link }: Batch): Step[] {
  const prepare = wanted && link !== 'transaction';
  const steps: Step[] = [];
  const addSilent = (prepared: Prepared, values: unknown[]): void => {
    const { text } = prepared;
    steps.push({
      text,
      values,
      prepared: prepare ? prepared : null,
      result: null,
      arrayMode: true,
      shape: RowShape.none,
    });
  };
  if (mode) addSilent(preparedFor(role, beginOf(mode.isolationLevel)), []);
  const names = Object.keys(settings);
  if (names.length > 0) addSilent(preparedSettings(names), Object.values(settings));
  for (const { text, values = [], prepare: keep, arrayMode = false } of statements) {
    steps.push({
      text,
      values: values.map((value) => prepareValue(value)),
      prepared: prepare && keep ? preparedFor(role, text) : null,
      result: { rows: [], rowCount: null },
      arrayMode,
      shape: null,
    });
  }
  if (mode?.end === 'rollback') {
    // Errors of deferred constraints, which would come at COMMIT, come here.
    addSilent(preparedFor(role, 'set constraints all immediate'), []);
  }
  if (mode) addSilent(preparedFor(role, mode.end), []);
  return steps;
}

/** The statement that begins a transaction. Null: at the connection's own isolation level. */
export function beginOf(isolationLevel: IsolationLevel | null): string {
  return isolationLevel ? `begin isolation level ${isolationLevel}` : 'begin';
}

/** The largest limit among the statements. Null: no limit. */
function largestAnswer(statements: readonly Statement[]): number | null {
  const limits = statements.flatMap(({ maxBytes }) => maxBytes ?? []);
  return limits.length === 0 ? null : Math.max(...limits);
}

/** The query object whose methods node-postgres calls when messages arrive. */
class RoundTrip implements TimedQuery {
  readonly #batch: Batch;
  readonly #resolve: (results: readonly StatementResult<unknown>[]) => void;
  readonly #reject: (error: Error) => void;
  #steps: readonly Step[] = [];
  /** Index of the step that the next message belongs to. */
  #at = 0;
  #failure: Error | undefined;
  #endLimit: () => void = () => {};

  constructor(
    batch: Batch,
    resolve: (results: readonly StatementResult<unknown>[]) => void,
    reject: (error: Error) => void,
  ) {
    this.#batch = batch;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /**
   * `statement_timeout` counts for each statement, and the whole answer may come only after the last one has
   * run.
   */
  serverLimitMs(statementTimeoutMs: number): number {
    const { settings, statements } = this.#batch;
    const own = millisecondsOf(settings['statement_timeout'] ?? '') ?? statementTimeoutMs;
    return own * statements.length;
  }

  submit(connection: Connection): Error | null {
    // A value that cannot be serialised must throw before the first message is on the wire.
    try {
      this.#steps = stepsOf(this.#batch);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
    const wire = wireOf(connection);
    const known = preparedStatementsOf(wire);
    const maxBytes = largestAnswer(this.#batch.statements);
    if (maxBytes !== null) this.#endLimit = limitAnswer(wire.stream, maxBytes, this.#reject);
    const tracked = this.#batch.link === 'tracked';
    wire.stream.cork();
    try {
      known.makeRoomFor(
        wire,
        this.#steps.map((step) => step.prepared),
      );
      for (const step of this.#steps) {
        const { prepared, values } = step;
        if (prepared) {
          known.parseOnce(wire, prepared, tracked);
          wire.bind({ statement: prepared.name, values });
          // A preparation's result type does not change while it lives, so it is described once, and after that
          // the rows come without a description. A pooler prepares it again on each session that it uses, and
          // the type may have changed between two of them.
          if (!tracked) step.shape ??= known.shapeOf(prepared);
        } else {
          known.parseUnnamed(wire, step.text);
          wire.bind({ values });
        }
        if (step.shape === null) wire.describe({ type: 'P', name: '' });
        wire.execute({});
      }
      wire.sync();
    } finally {
      wire.stream.uncork();
    }
    return null;
  }

  handleRowDescription(message: { fields: FieldDef[] }): void {
    const step = this.#steps[this.#at];
    if (step) step.shape = new RowShape(message.fields);
  }

  handleDataRow(message: { fields: (string | null)[] }): void {
    const step = this.#steps[this.#at];
    // The row of the settings is skipped: it repeats the values that were set.
    if (!step?.result || this.#failure || step.shape === null) return;
    try {
      const { fields } = message;
      step.result.rows.push(step.arrayMode ? step.shape.toArray(fields) : step.shape.toObject(fields));
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  handleCommandComplete(message: { text: string }, connection?: Connection): void {
    const step = this.#steps[this.#at++];
    if (!step?.result) return;
    // `INSERT 0 5`, `SELECT 3`; `CREATE TABLE` has no count.
    const count = / (\d+)$/.exec(message.text)?.[1];
    if (count !== undefined) step.result.rowCount = Number(count);
    if (step.prepared && connection) {
      preparedStatementsOf(wireOf(connection)).remember(step.prepared, step.shape ?? RowShape.none);
    }
  }

  handleEmptyQuery(): void {
    // An empty text has no rows and no command.
    this.#at++;
  }

  handleError(error: Error, connection?: Connection): void {
    this.#endLimit();
    if (connection) {
      const wire = wireOf(connection);
      const known = preparedStatementsOf(wire);
      known.abandonParses();
      const prepared = this.#steps[this.#at]?.prepared;
      if (prepared && isStalePlan(error)) {
        known.forget(prepared);
        replacePreparation(this.#batch.role, prepared);
      }
    }
    this.#reject(error);
  }

  handleReadyForQuery(): void {
    this.#endLimit();
    if (this.#failure) this.#reject(this.#failure);
    else this.#resolve(this.#steps.flatMap((step) => step.result ?? []));
  }

  handlePortalSuspended(): void {
    // The server never sends it, because Execute asks for all rows.
  }

  handleCopyInResponse(connection: Connection): void {
    const wire = wireOf(connection);
    if (this.#at < this.#steps.length - 1) {
      // Statements behind a COPY were taken for its data, so answers can no longer be matched to statements.
      wire.stream.destroy();
      return;
    }
    wire.sendCopyFail('COPY FROM STDIN is not supported here: use Transaction.copyFrom with a stream');
    // The server discarded the Sync sent with the statement while it waited for data.
    wire.sync();
  }

  handleCopyData(): void {
    this.#failure ??= new Error('COPY TO STDOUT is not supported here: it needs a connection of its own');
  }
}
