import { millisecondsOf } from '../../db/duration.ts';
import type { TransactionStatus } from '../wire.ts';
import type { SetConfigCall } from '../sql/set-config.ts';
import type { Effect, Residue } from '../sql/sql-text.ts';

// The engine has one session, and every client believes it has its own. To keep that true, each client's
// settings are kept here as a list of statements. Before a client runs on an engine that holds another list,
// its own list is replayed. Two clients with equal lists (`key`) share the loaded settings, so connections of
// one pool cost nothing.
//
// State that a list cannot bring back is lost at the next switch to another client, and the client is warned
// (Residue): temporary tables and cursors WITH HOLD that outlive their transaction, settings that an expression
// computed inside a larger statement, session-level advisory locks (which exclude nobody here, because there is
// one session). A function that changes the session (a `set_config(..., false)` in a body that a plain SELECT
// calls) leaves no trace in the text. Changes to settings that Postgres reports to clients are noticed
// nevertheless (backend-scanner.ts); changes to others are not.

/** A setting and the statement that makes it. `value` is given where it is a plain literal. All are latin1. */
export interface Setting {
  readonly name: string;
  readonly sql: string;
  readonly value: string | undefined;
}

/** An effect with known arguments. */
export type SessionEffect = Exclude<Effect, SetConfigCall>;

/** An effect of a statement that ran, and the engine's tag for it, if the engine was asked for one. */
export interface Executed {
  readonly effect: SessionEffect;
  readonly tag: string | undefined;
}

/** The consequences of a batch for the engine and for the registries of statements. */
export interface Consequences {
  /**
   * The engine's settings no longer match the client's list (RESET forgets the settings that came with the
   * connection).
   */
  readonly reload: boolean;
  readonly residues: readonly Residue[];
  readonly deallocateAll: boolean;
}

/** The part of one client's session that is kept outside the engine. */
export class SessionState {
  readonly #startup: ReadonlyMap<string, Setting>;
  #settings: ReadonlyMap<string, Setting>;
  #channels = new Set<string>();
  #key: string;
  /** Effects of the open transaction, and its savepoints. */
  #pending: SessionEffect[] = [];
  /** statement_timeout as the open transaction set it, locally or not. */
  #transactionTimeoutMs: number | undefined;

  /** `startup`: the settings that came with the connection, in any order. */
  constructor(startup: readonly Setting[]) {
    const sorted = startup.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#startup = new Map(sorted.map((setting) => [setting.name, setting]));
    this.#settings = this.#startup;
    this.#key = keyOf(this.#settings);
  }

  /**
   * Identifies the settings: sessions with equal keys need no switch between them. Empty: the engine's own
   * defaults.
   */
  get key(): string {
    return this.#key;
  }

  /** Statements that make the settings, in order. */
  get replay(): readonly string[] {
    return [...this.#settings.values()].map((setting) => setting.sql);
  }

  /** Channels that committed transactions listen on. */
  get channels(): ReadonlySet<string> {
    return this.#channels;
  }

  /**
   * statement_timeout in milliseconds; zero: none. `values` are set by the next batch itself at an unknown
   * point, so the longest counts.
   */
  timeoutMs(values: readonly string[] = []): number {
    const current = this.#transactionTimeoutMs ?? durationMs(this.#settings.get('statement_timeout')?.value);
    if (values.length === 0) return current;
    const all = [...values.map(durationMs), current];
    return all.includes(0) ? 0 : Math.max(...all);
  }

  /** `idle_in_transaction_session_timeout`; zero: none. */
  get idleTimeoutMs(): number {
    return durationMs(this.#settings.get('idle_in_transaction_session_timeout')?.value);
  }

  /**
   * Records a batch. `executed` are the statements that succeeded; `status` is what ReadyForQuery said (null:
   * the batch has not come to its Sync); `failed` says whether there was an error.
   */
  record(executed: readonly Executed[], status: TransactionStatus | null, failed: boolean): Consequences {
    const outcome = { reload: false, residues: [] as Residue[], deallocateAll: false };
    for (const { effect, tag } of executed) this.#execute(effect, tag, outcome);
    if (status === 'I') {
      if (!failed) this.#commit(outcome);
      this.#pending = [];
      this.#transactionTimeoutMs = undefined;
    }
    return outcome;
  }

  #execute(effect: SessionEffect, tag: string | undefined, outcome: Outcome): void {
    switch (effect.kind) {
      case 'commit':
        // Postgres answers the COMMIT of a failed transaction with ROLLBACK.
        if (tag === undefined || !tag.startsWith('ROLLBACK')) this.#commit(outcome);
        this.#pending = [];
        this.#transactionTimeoutMs = undefined;
        return;
      case 'rollback':
        this.#pending = [];
        this.#transactionTimeoutMs = undefined;
        return;
      case 'rollback-to':
        this.#pending = this.#pending.slice(0, this.#savepoint(effect.name) + 1);
        return;
      case 'release': {
        const at = this.#savepoint(effect.name);
        if (at < 0) return;
        this.#pending = this.#pending.filter((pending, i) => i < at || pending.kind !== 'savepoint');
        return;
      }
      case 'deallocate-all':
      case 'discard-all':
        outcome.deallocateAll = true;
        this.#pending.push(effect);
        return;
      case 'residue':
        // Locks outlive a rollback; the rest comes and goes with its transaction.
        if (effect.residue === 'advisory locks') outcome.residues.push(effect.residue);
        else this.#pending.push(effect);
        return;
      case 'set':
        if (effect.name === 'statement_timeout') this.#transactionTimeoutMs = durationMs(effect.value);
        if (!effect.local) this.#pending.push(effect);
        return;
      default:
        this.#pending.push(effect);
    }
  }

  #savepoint(name: string): number {
    return this.#pending.findLastIndex((pending) => pending.kind === 'savepoint' && pending.name === name);
  }

  #commit(outcome: Outcome): void {
    if (this.#pending.length === 0) return;
    const settings = new Map(this.#settings);
    const put = (setting: Setting) => {
      settings.delete(setting.name);
      settings.set(setting.name, setting);
    };
    /** Goes back to the setting that came with the connection, which the engine's RESET does not know of. */
    const restart = (name: string) => {
      settings.delete(name);
      const startup = this.#startup.get(name);
      if (startup) {
        put(startup);
        outcome.reload = true;
      }
    };
    for (const effect of this.#pending) {
      if (effect.kind === 'set') put({ name: effect.name, sql: effect.sql, value: effect.value });
      else if (effect.kind === 'reset') restart(effect.name);
      else if (effect.kind === 'reset-all' || effect.kind === 'discard-all') {
        for (const name of new Set(settings.keys())) {
          if (effect.kind === 'discard-all' || !survivesResetAll.has(name)) restart(name);
        }
        if (effect.kind === 'discard-all') {
          outcome.reload = true;
          this.#channels = new Set();
        }
      } else if (effect.kind === 'listen') this.#channels = new Set(this.#channels).add(effect.channel);
      else if (effect.kind === 'unlisten') {
        this.#channels = new Set([...this.#channels].filter((channel) => channel !== effect.channel));
      } else if (effect.kind === 'unlisten-all') this.#channels = new Set();
      else if (effect.kind === 'residue') outcome.residues.push(effect.residue);
    }
    this.#pending = [];
    this.#settings = settings;
    this.#key = keyOf(settings);
  }
}

interface Outcome {
  reload: boolean;
  residues: Residue[];
  deallocateAll: boolean;
}

const survivesResetAll = new Set(['role', 'session_authorization']);

function keyOf(settings: ReadonlyMap<string, Setting>): string {
  return [...settings.values()].map((setting) => setting.sql).join('\0');
}

/** A setting that came with the connection. `value` is raw, as `set_config` takes it, so lists need no quoting. */
export function startupSetting(name: string, value: string): Setting {
  const bytes = Buffer.from(value, 'utf8').toString('latin1');
  const [quotedName, quotedValue] = [name.toLowerCase(), bytes].map(quoted);
  return {
    name: name.toLowerCase(),
    sql: `select pg_catalog.set_config(${quotedName}, ${quotedValue}, false)`,
    value: bytes,
  };
}

/** A string literal whose meaning does not depend on any setting. */
export function quoted(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** Reads a duration as Postgres's settings take it. Zero for text that is not a duration, and that Postgres refuses. */
export function durationMs(value: string | undefined): number {
  return millisecondsOf(value ?? '') ?? 0;
}
