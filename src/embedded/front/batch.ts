import { isTrue } from '../sql/set-config.ts';
import type { Argument, SetConfigCall } from '../sql/set-config.ts';
import { editedText } from '../sql/sql-text.ts';
import type { Effect, Statement } from '../sql/sql-text.ts';
import { quoted } from './session-state.ts';
import type { SessionEffect } from './session-state.ts';
import { frontend, query, readString } from '../wire.ts';
import type { Frame } from '../wire.ts';
import type { Prepared, PreparedStatements } from './client-statements.ts';

/**
 * One thing in a batch that the engine acknowledges: a Parse ('1'), a Close ('3'), or the execution of a statement ('C').
 * The n-th acknowledgement is the n-th step's.
 */
export interface Step {
  readonly ack: '1' | '3' | 'C';
  readonly effects: readonly SessionEffect[];
  /** The name that a Parse or SQL's PREPARE defined, and the statement behind it. */
  readonly prepares?: { readonly name: string; readonly prepared: Prepared };
  /** The statement that a Close or SQL's DEALLOCATE removed. */
  readonly closes?: string;
}

/**
 * The messages that a client sends in one go, in the engine's terms: a simple Query, or messages of the
 * extended protocol up to Sync. A batch that stops earlier (at a Flush) is `open`: more from the same client
 * must follow before any other client runs.
 */
export interface Batch {
  readonly parts: readonly Uint8Array[];
  readonly open: boolean;
  readonly steps: readonly Step[];
  /**
   * The batch changes the session, or exchanges data while it runs: nothing else goes to the engine until its
   * outcome is known.
   */
  readonly alone: boolean;
  /** The batch uses the unnamed statement of an earlier batch. */
  readonly needsUnnamed: boolean;
  /** The batch's effect on the engine's unnamed statement. */
  readonly unnamed: 'untouched' | 'parsed' | 'dropped';
  /** Values of statement_timeout that the batch itself sets. */
  readonly timeouts: readonly string[];
}

/** A batch with nothing to run, which only has the session set up. For a connection that has just begun. */
export const setUpOnly: Batch = {
  parts: [],
  open: false,
  steps: [],
  alone: true,
  needsUnnamed: false,
  unnamed: 'untouched',
  timeouts: [],
};

/** Finds the statements of a text. The front remembers the result for texts that come again. */
export type Analyse = (sql: string) => readonly Statement[];

/** The effects of executing each portal. Belongs to a client, because portals live as long as the transaction. */
export type Portals = Map<string, readonly SessionEffect[]>;

/**
 * Turns a client's messages into a batch. `frames` are the messages of one batch, without Terminate and COPY
 * data.
 */
export function batchOf(
  frames: readonly Frame[],
  prepared: PreparedStatements,
  portals: Portals,
  analyse: Analyse,
): Batch {
  const builder = new BatchBuilder(prepared, portals, analyse);
  for (const frame of frames) builder.add(frame);
  return builder.finish(frames.at(-1)?.type);
}

const nothing: readonly SessionEffect[] = [];
const plainExecution: Step = { ack: 'C', effects: nothing };
const plainClose: Step = { ack: '3', effects: nothing };

class BatchBuilder {
  readonly #prepared: PreparedStatements;
  readonly #portals: Portals;
  readonly #analyse: Analyse;
  readonly #parts: Uint8Array[] = [];
  readonly #steps: Step[] = [];
  readonly #timeouts: string[] = [];
  /** Statements that this very batch prepares, which may still fail. */
  readonly #fresh = new Map<string, Prepared>();
  #alone = false;
  #needsUnnamed = false;
  #unnamed: Batch['unnamed'] = 'untouched';

  constructor(prepared: PreparedStatements, portals: Portals, analyse: Analyse) {
    this.#prepared = prepared;
    this.#portals = portals;
    this.#analyse = analyse;
  }

  add(frame: Frame): void {
    switch (frame.type) {
      case frontend.query:
        return this.#query(frame.bytes);
      case frontend.parse:
        return this.#parse(frame.bytes);
      case frontend.bind:
        return this.#bind(frame.bytes);
      case frontend.execute:
        return this.#execute(frame.bytes);
      case frontend.describe:
        return this.#describe(frame.bytes);
      case frontend.close:
        return this.#close(frame.bytes);
      default:
        this.#parts.push(frame.bytes);
    }
  }

  finish(last: number | undefined): Batch {
    const open = last !== frontend.query && last !== frontend.sync && last !== frontend.functionCall;
    return {
      parts: this.#parts,
      open,
      steps: this.#steps,
      alone: this.#alone || open,
      needsUnnamed: this.#needsUnnamed,
      unnamed: this.#unnamed,
      timeouts: this.#timeouts,
    };
  }

  #query(bytes: Buffer): void {
    const { text } = readString(bytes, 5);
    const statements = this.#analyse(text);
    const edited = statements.some((statement) => statement.edits.length > 0);
    const rename = (name: string) => this.#prepared.engineName(name);
    this.#parts.push(edited ? withText(bytes, 5, text.length, editedText(text, statements, rename)) : bytes);
    for (const statement of statements) {
      const effects = this.#resolve(statement.effects, () => undefined);
      if (statement.copies) this.#alone = true;
      const prepares = statement.effects.find((effect) => effect.kind === 'prepare');
      const deallocates = statement.effects.find((effect) => effect.kind === 'deallocate');
      if (prepares) {
        const restore = [query(editedText(text, [statement], rename))];
        const prepared = { restore, statements: [] };
        this.#steps.push({ ack: 'C', effects, prepares: { name: prepares.name, prepared } });
      } else if (deallocates) {
        this.#steps.push({ ack: 'C', effects, closes: deallocates.name });
      } else {
        this.#steps.push(effects.length === 0 ? plainExecution : { ack: 'C', effects });
      }
    }
    this.#unnamed = 'dropped';
  }

  #parse(bytes: Buffer): void {
    const { text: name, next } = readString(bytes, 5);
    const { text } = readString(bytes, next);
    const statements = this.#analyse(text);
    let engineBytes = bytes;
    if (statements.some((statement) => statement.edits.length > 0)) {
      const edited = editedText(text, statements, (old) => this.#prepared.engineName(old));
      engineBytes = withText(engineBytes, next, text.length, edited);
    }
    engineBytes = withText(engineBytes, 5, name.length, this.#prepared.engineName(name));
    this.#parts.push(engineBytes);
    // A copy: the frame is a view of a whole packet, which may not live as long as the statement.
    const prepared = { restore: [new Uint8Array(engineBytes)], statements };
    this.#fresh.set(name, prepared);
    this.#steps.push({ ack: '1', effects: nothing, prepares: { name, prepared } });
    if (name === '') this.#unnamed = 'parsed';
  }

  #bind(bytes: Buffer): void {
    const portal = readString(bytes, 5);
    const statement = readString(bytes, portal.next);
    const prepared = this.#statement(statement.text);
    this.#parts.push(
      withText(bytes, portal.next, statement.text.length, this.#prepared.engineName(statement.text)),
    );
    let effects = nothing;
    for (const { effects: found, copies } of prepared?.statements ?? []) {
      if (copies) this.#alone = true;
      if (found.length > 0) {
        const parameter = lazyParameters(bytes, statement.next);
        effects = [...effects, ...this.#resolve(found, parameter)];
      }
    }
    this.#portals.set(portal.text, effects);
  }

  #execute(bytes: Buffer): void {
    const { text: portal } = readString(bytes, 5);
    const effects = this.#portals.get(portal) ?? nothing;
    this.#parts.push(bytes);
    const prepares = effects.find((effect) => effect.kind === 'prepare');
    const deallocates = effects.find((effect) => effect.kind === 'deallocate');
    if (effects.length > 0) this.#alone = true;
    if (deallocates) this.#steps.push({ ack: 'C', effects, closes: deallocates.name });
    // SQL's PREPARE by the extended protocol is recorded so that it can be closed; the text to make it again is
    // unknown here.
    else if (prepares) {
      const prepared = { restore: [], statements: [] };
      this.#steps.push({ ack: 'C', effects, prepares: { name: prepares.name, prepared } });
    } else this.#steps.push(effects.length === 0 ? plainExecution : { ack: 'C', effects });
  }

  #describe(bytes: Buffer): void {
    const { text: name } = readString(bytes, 6);
    if (bytes[5] !== statementKind) {
      this.#parts.push(bytes);
      return;
    }
    this.#statement(name);
    this.#parts.push(withText(bytes, 6, name.length, this.#prepared.engineName(name)));
  }

  #close(bytes: Buffer): void {
    const { text: name } = readString(bytes, 6);
    if (bytes[5] !== statementKind) {
      this.#parts.push(bytes);
      this.#steps.push(plainClose);
      return;
    }
    this.#parts.push(withText(bytes, 6, name.length, this.#prepared.engineName(name)));
    this.#steps.push({ ack: '3', effects: nothing, closes: name });
    this.#fresh.delete(name);
    if (name === '') this.#unnamed = 'dropped';
  }

  /** Finds a statement that the batch uses, by the client's name for it. */
  #statement(name: string): Prepared | undefined {
    if (name === '' && this.#unnamed === 'untouched') this.#needsUnnamed = true;
    return this.#fresh.get(name) ?? this.#prepared.get(name);
  }

  #resolve(effects: readonly Effect[], parameter: ParameterReader): readonly SessionEffect[] {
    if (effects.length === 0) return nothing;
    const resolved: SessionEffect[] = [];
    for (const effect of effects) {
      const known = effect.kind === 'set-config' ? resolveSetConfig(effect, parameter) : effect;
      if (!known) continue;
      resolved.push(known);
      if (known.kind === 'set' && known.name === 'statement_timeout') this.#timeouts.push(known.value ?? '0');
    }
    if (resolved.length > 0) this.#alone = true;
    return resolved;
  }
}

const statementKind = 'S'.charCodeAt(0);

/** The text of a parameter, counted from 1; undefined where it is null, binary or absent. */
type ParameterReader = (number: number) => string | undefined;

/** Undefined: the call leaves nothing behind, and the watchdog does not have to know of it. */
function resolveSetConfig(call: SetConfigCall, parameter: ParameterReader): SessionEffect | undefined {
  const textOf = (argument: Argument) => {
    if (argument.kind === 'literal') return argument.value;
    return argument.kind === 'parameter' ? parameter(argument.number) : undefined;
  };
  const scope = textOf(call.local);
  const local = scope !== undefined && isTrue(scope);
  const name = textOf(call.name)?.toLowerCase();
  if (local && name !== 'statement_timeout') return undefined;
  const value = textOf(call.value);
  if (local || (call.certain && scope !== undefined && name !== undefined && value !== undefined)) {
    const sql = `select pg_catalog.set_config(${quoted(name ?? '')}, ${quoted(value ?? '')}, false)`;
    return { kind: 'set', name: name ?? '', value, local, sql };
  }
  return { kind: 'residue', residue: 'settings' };
}

/** Reads the parameters of a Bind when the first one is asked for. `offset` is where the format codes start. */
function lazyParameters(bytes: Buffer, offset: number): ParameterReader {
  let texts: (string | undefined)[] | undefined;
  return (number) => (texts ??= parameterTexts(bytes, offset))[number - 1];
}

function parameterTexts(bytes: Buffer, offset: number): (string | undefined)[] {
  const formats = bytes.readUInt16BE(offset);
  const isBinary = (i: number) =>
    formats > 0 && bytes.readUInt16BE(offset + 2 + 2 * (formats === 1 ? 0 : i)) !== 0;
  let at = offset + 2 + 2 * formats;
  const count = bytes.readUInt16BE(at);
  at += 2;
  const texts: (string | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    const length = bytes.readInt32BE(at);
    at += 4;
    texts.push(length < 0 || isBinary(i) ? undefined : bytes.toString('latin1', at, at + length));
    if (length > 0) at += length;
  }
  return texts;
}

/** The message with `length` bytes at `offset` replaced. */
function withText(bytes: Buffer, offset: number, length: number, text: string): Buffer {
  if (text.length === length && bytes.toString('latin1', offset, offset + length) === text) return bytes;
  const changed = Buffer.allocUnsafeSlow(bytes.length - length + text.length);
  bytes.copy(changed, 0, 0, offset);
  changed.write(text, offset, 'latin1');
  bytes.copy(changed, offset + text.length, offset + length);
  changed.writeUInt32BE(changed.length - 1, 1);
  return changed;
}
