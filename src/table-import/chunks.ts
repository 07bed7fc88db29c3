import type { FileHandle } from 'node:fs/promises';
import type { Refusal } from '../import/quarantine.ts';
import type { TablePlan } from './plan-tables.ts';
import { readRecords } from './read-records.ts';
import { readRow } from './read-row.ts';
import type { Row } from './read-row.ts';

/** Rows that are loaded at once, and the records that are none. */
export interface Chunk {
  readonly rows: Row[];
  readonly refusals: Refusal[];
  /** How many records these are. */
  readonly records: number;
}

/** A chunk is complete with so many records or bytes: enough to make a statement's own cost negligible, and little memory. */
export const chunkRecords = 10_000;
export const chunkBytes = 4 * 1024 * 1024;

/** The rows of a source in chunks. The next one is made while the last one is loaded. */
export async function* chunksOf(
  plan: TablePlan,
  handle: FileHandle,
  signal: AbortSignal,
): AsyncGenerator<Chunk> {
  const chunks = makeChunks(plan, handle, signal);
  let next = chunks.next();
  try {
    for (;;) {
      const { value, done } = await next;
      if (done) return;
      next = chunks.next();
      // It is awaited above, unless the caller gives up.
      next.catch(() => {});
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await chunks.return(undefined);
  }
}

async function* makeChunks(plan: TablePlan, handle: FileHandle, signal: AbortSignal): AsyncGenerator<Chunk> {
  let rows: Row[] = [];
  let refusals: Refusal[] = [];
  let bytes = 0;
  const take = (): Chunk => {
    const chunk = { rows, refusals, records: rows.length + refusals.length };
    rows = [];
    refusals = [];
    bytes = 0;
    return chunk;
  };
  for await (const pieces of readRecords(plan.path, handle, plan.content, signal)) {
    for (const piece of pieces) {
      if (piece.index === -1 && plan.header !== null) continue;
      const row = readRow(plan, piece);
      if ('reason' in row) refusals.push(row);
      else rows.push(row);
      bytes += piece.bytes.length;
      if (rows.length + refusals.length >= chunkRecords || bytes >= chunkBytes) yield take();
    }
  }
  if (rows.length + refusals.length > 0) yield take();
}
