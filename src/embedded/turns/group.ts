import type { Engine } from '../engine/engine.ts';
import type { Client } from '../front/client.ts';
import type { Residue } from '../sql/sql-text.ts';
import { closeStatement, query, sync } from '../wire.ts';

/** What the engine's one session holds. */
export interface Loaded {
  /** `SessionState.key` of the settings; null: not known. */
  readonly key: string | null;
  readonly residues: ReadonlySet<Residue>;
  /** Whose residues they are. */
  readonly owner: Client | null;
  /** Whose unnamed statement it is; null: nobody's, or not known. */
  readonly unnamed: Client | null;
}

/** An engine that nobody has used yet. */
export const untouched: Loaded = { key: '', residues: new Set(), owner: null, unnamed: null };

/**
 * One thing for the engine to do: a client's batch, or what has to be done before or after one. `ran`: its result has come.
 */
export type Item = (
  | { readonly purpose: 'batch'; readonly client: Client }
  /** Makes statements that the client has prepared; `unnamed` if that one is among them. */
  | { readonly purpose: 'restore'; readonly client: Client; readonly unnamed: boolean }
  | { readonly purpose: 'switch'; readonly client: Client; readonly after: Loaded }
  | { readonly purpose: 'tidy' | 'checkpoint' }
  | { readonly purpose: 'rollback' }
) & { readonly parts: readonly Uint8Array[]; ran: boolean };

/**
 * Undoes the transaction of a client that has left. The first message aborts what has not come to its Sync; after an error only the
 * Sync is heeded. New for each use, as `ran` changes.
 */
export function rollback(): readonly Item[] {
  return [{ purpose: 'rollback', parts: [query('rollback'), sync, query('rollback')], ran: false }];
}

/** Gives a group to the engine. */
export function send(engine: Engine, items: readonly Item[]): void {
  engine.run(
    items.map(({ purpose, parts }) => ({
      kind: purpose === 'batch' ? 'client' : purpose === 'switch' ? 'switch' : 'chore',
      length: parts.reduce((sum, part) => sum + part.length, 0),
    })),
    items.flatMap((item) => item.parts),
  );
}

/** Largest group, in items and bytes: what is behind a slow item waits for the watchdog to take it back. */
const largestItems = 64;
const largestBytes = 256 * 1024;

/** What there is to do beside the clients' batches. */
export interface Situation {
  readonly loaded: Loaded;
  readonly engineNumber: number;
  /** Names in the engine of statements that nobody uses any more. */
  readonly staleStatements: readonly string[];
  /** LISTEN and UNLISTEN to catch up with. */
  readonly channels: readonly string[];
  /** It is time to see whether a checkpoint is due. */
  readonly checkpoint: boolean;
}

/**
 * Puts together what goes to the engine in one go: as many of the waiting clients' batches as surely do not disturb each
 * other, each with what it needs before it. All of `waiting` have a batch. `taken`: how many of them are in.
 */
export function groupOf(
  waiting: readonly Client[],
  situation: Situation,
): { readonly items: readonly Item[]; readonly taken: number } {
  // What is behind a slow checkpoint is taken back, and would be forgotten if it were no client's: so tidying comes first.
  const items: Item[] = [...tidying(situation), ...(situation.checkpoint ? [checkpointing()] : [])];
  let { loaded } = situation;
  for (const { purpose } of items) loaded = loadedAfter(purpose, loaded);
  let taken = 0;
  let bytes = 0;
  for (const client of waiting) {
    const { batch } = client;
    if (!batch) break;
    // Whose the unnamed statement is, is certain only before anything else has run.
    if (batch.needsUnnamed && taken > 0) break;
    const restored = switchTo(client, loaded);
    if (restored) {
      items.push(restored);
      loaded = restored.after;
    }
    const lost = client.engineNumber === situation.engineNumber ? [] : client.statements.named();
    const unnamed = batch.needsUnnamed && loaded.unnamed !== client;
    const parts = [
      ...lost.flatMap(({ restore }) => [...restore, sync]),
      ...(unnamed ? unnamedOf(client) : []),
    ];
    if (parts.length > 0) items.push({ purpose: 'restore', client, unnamed, parts, ran: false });
    items.push({ purpose: 'batch', client, parts: batch.parts, ran: false });
    if (batch.unnamed !== 'untouched') {
      loaded = { ...loaded, unnamed: batch.unnamed === 'parsed' ? client : null };
    }
    taken++;
    bytes += batch.parts.reduce((sum, part) => sum + part.length, 0);
    if (batch.alone || items.length >= largestItems || bytes >= largestBytes) break;
  }
  return { items, taken };
}

/** What work between the batches leaves: a simple Query takes the unnamed statement away, a checkpoint takes a superuser. */
export function loadedAfter(purpose: Item['purpose'], loaded: Loaded): Loaded {
  return { ...loaded, key: purpose === 'checkpoint' ? null : loaded.key, unnamed: null };
}

// RESET SESSION AUTHORIZATION comes first: it makes a superuser again of whom the rest depends.
const resetSettings = 'reset session authorization; reset role; reset all';
const dropResidues = 'close all; discard temp; discard sequences; select pg_catalog.pg_advisory_unlock_all()';

/** What has to run before a client's batch for the session to be the client's. Undefined: nothing. */
function switchTo(client: Client, loaded: Loaded): Extract<Item, { purpose: 'switch' }> | undefined {
  const clean = loaded.residues.size === 0 || loaded.owner === client;
  if (clean && loaded.key === client.session.key) return undefined;
  // One implicit transaction: all of it happens, or nothing.
  const statements = [resetSettings, ...(clean ? [] : [dropResidues]), ...client.session.replay];
  const after: Loaded = {
    key: client.session.key,
    residues: clean ? loaded.residues : new Set(),
    owner: clean ? loaded.owner : null,
    unnamed: null,
  };
  return { purpose: 'switch', client, after, parts: [query(statements.join(';\n'))], ran: false };
}

/** Messages that make the unnamed statement the client's; where it has none, nobody's. */
function unnamedOf(client: Client): Uint8Array[] {
  const prepared = client.statements.get('');
  return [...(prepared ? prepared.restore : [closeStatement('')]), sync];
}

/** Bounds the log, and with it what a start after a crash has to go through. */
const checkpointBytes = 64 * 1024 * 1024;

/** In single-user mode nobody makes checkpoints: without them the log would grow until the database is closed. */
function checkpointing(): Item {
  const ifDue =
    'do $$ begin if (select pg_catalog.pg_current_wal_insert_lsn() - redo_lsn from pg_catalog.pg_control_checkpoint()) ' +
    `> ${checkpointBytes} then execute 'checkpoint'; end if; end $$`;
  const parts = [query('reset session authorization; reset role'), query(ifDue)];
  return { purpose: 'checkpoint', parts, ran: false };
}

function tidying({ staleStatements, channels }: Situation): Item[] {
  if (staleStatements.length === 0 && channels.length === 0) return [];
  const closes = staleStatements.map((name) => closeStatement(name));
  // A client named its channels and cannot be asked any more: each for itself, so that no error stops the others.
  const parts = [...(closes.length > 0 ? [...closes, sync] : []), ...channels.map((sql) => query(sql))];
  return [{ purpose: 'tidy', parts, ran: false }];
}
