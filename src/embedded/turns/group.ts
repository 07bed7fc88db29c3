import type { Engine } from '../engine/engine.ts';
import type { Client } from '../front/client.ts';
import type { Residue } from '../sql/sql-text.ts';
import { closeStatement, query, sync } from '../wire.ts';

/** The state that the engine's one session holds. */
export interface Loaded {
  /** `SessionState.key` of the settings; null: unknown. */
  readonly key: string | null;
  readonly residues: ReadonlySet<Residue>;
  /** The client that left the residues. */
  readonly owner: Client | null;
  /** The client that the unnamed statement belongs to; null: to nobody, or unknown. */
  readonly unnamed: Client | null;
}

/** An engine that no client has used yet. */
export const untouched: Loaded = { key: '', residues: new Set(), owner: null, unnamed: null };

/**
 * One unit of work for the engine: a client's batch, or work that is needed before or after one. `ran`: its
 * result has come.
 */
export type Item = (
  | { readonly purpose: 'batch'; readonly client: Client }
  /** Prepares statements of the client again; `unnamed` if the unnamed one is among them. */
  | { readonly purpose: 'restore'; readonly client: Client; readonly unnamed: boolean }
  | { readonly purpose: 'switch'; readonly client: Client; readonly after: Loaded }
  | { readonly purpose: 'tidy' | 'checkpoint' }
  | { readonly purpose: 'rollback' }
) & { readonly parts: readonly Uint8Array[]; ran: boolean };

/**
 * Rolls back the transaction of a client that has left. The first message aborts a sequence that has not come
 * to its Sync; after an error the engine heeds only the Sync. New for each use, because `ran` changes.
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

/** Largest group, in items and bytes: items behind a slow one wait until the watchdog takes them back. */
const largestItems = 64;
const largestBytes = 256 * 1024;

/** The work that there is besides the clients' batches. */
export interface Situation {
  readonly loaded: Loaded;
  readonly engineNumber: number;
  /** Engine names of statements that no client uses any more. */
  readonly staleStatements: readonly string[];
  /** LISTEN and UNLISTEN statements that the engine has to catch up with. */
  readonly channels: readonly string[];
  /** Whether it is time to see if a checkpoint is due. */
  readonly checkpoint: boolean;
}

/**
 * Puts together a group for the engine: as many of the waiting clients' batches as surely do not disturb each
 * other, each behind the work that it needs. Every client of `waiting` has a batch. `taken` is the number of
 * clients in the group.
 */
export function groupOf(
  waiting: readonly Client[],
  situation: Situation,
): { readonly items: readonly Item[]; readonly taken: number } {
  // Tidying comes before a checkpoint: items behind a slow checkpoint are taken back, and only clients' items
  // would be queued again.
  const items: Item[] = [...tidying(situation), ...(situation.checkpoint ? [checkpointing()] : [])];
  let { loaded } = situation;
  for (const { purpose } of items) loaded = loadedAfter(purpose, loaded);
  let taken = 0;
  let bytes = 0;
  for (const client of waiting) {
    const { batch } = client;
    if (!batch) break;
    // The owner of the unnamed statement is certain only before anything else has run.
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

/**
 * The session after work between the batches: a simple Query drops the unnamed statement, a checkpoint switches
 * to the superuser.
 */
export function loadedAfter(purpose: Item['purpose'], loaded: Loaded): Loaded {
  return { ...loaded, key: purpose === 'checkpoint' ? null : loaded.key, unnamed: null };
}

// RESET SESSION AUTHORIZATION comes first: it restores the superuser, which the other statements need.
const resetSettings = 'reset session authorization; reset role; reset all';
const dropResidues = 'close all; discard temp; discard sequences; select pg_catalog.pg_advisory_unlock_all()';

/**
 * The work that makes the session the client's before its batch. Undefined: the session is the client's
 * already.
 */
function switchTo(client: Client, loaded: Loaded): Extract<Item, { purpose: 'switch' }> | undefined {
  const clean = loaded.residues.size === 0 || loaded.owner === client;
  if (clean && loaded.key === client.session.key) return undefined;
  // All statements run in one implicit transaction, so they all take effect or none does.
  const statements = [resetSettings, ...(clean ? [] : [dropResidues]), ...client.session.replay];
  const after: Loaded = {
    key: client.session.key,
    residues: clean ? loaded.residues : new Set(),
    owner: clean ? loaded.owner : null,
    unnamed: null,
  };
  return { purpose: 'switch', client, after, parts: [query(statements.join(';\n'))], ran: false };
}

/** Messages that make the unnamed statement the client's own, or remove it if the client has none. */
function unnamedOf(client: Client): Uint8Array[] {
  const prepared = client.statements.get('');
  return [...(prepared ? prepared.restore : [closeStatement('')]), sync];
}

/** Bounds the log, and with it the time that a start after a crash takes. */
const checkpointBytes = 64 * 1024 * 1024;

/**
 * Checkpoints if it is due. In single-user mode Postgres makes no checkpoints itself: the log would grow until
 * the database is closed.
 */
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
  // Each statement is a query of its own, so that an error in one does not stop the others. A client chose
  // these channels and cannot be asked again.
  const parts = [...(closes.length > 0 ? [...closes, sync] : []), ...channels.map((sql) => query(sql))];
  return [{ purpose: 'tidy', parts, ran: false }];
}
