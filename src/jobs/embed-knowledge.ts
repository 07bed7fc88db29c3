import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { EmbeddingError } from '../embeddings/embedding-client.ts';
import type { Embed } from '../embeddings/embedding-client.ts';

/** Texts in one request to the endpoint; most take more, and refuse the whole for the sake of one. */
const batchSize = 64;

/** What a run did. */
export interface EmbeddedKnowledge {
  readonly embedded: number;
  /** Rows whose content the endpoint refuses; `embedding_error` says why. */
  readonly refused: number;
}

interface Row {
  readonly tenant_id: string;
  readonly id: string;
  readonly content: string;
  readonly digest: string;
}

/**
 * Embeds the knowledge that has no embedding, of all tenants, oldest first, until none is left or the signal ends it
 * between two requests. Content that changes meanwhile is left to the next run. Rejects with EmbeddingError when the
 * endpoint gives none; what was embedded until then is stored. Calls `onProgress` with the number of items that are done.
 * Needs the worker's policies.
 */
export async function embedKnowledge(
  executor: Executor,
  embed: Embed,
  signal: AbortSignal,
  onProgress: (done: number) => void = () => {},
): Promise<EmbeddedKnowledge> {
  let [embedded, refused] = [0, 0];
  while (!signal.aborted) {
    const { rows } = await executor.query<Row>(sql`
      select k.tenant_id, k.id, k.content, md5(k.content) as digest
      from app_public.knowledge k
      where k.embedding is null and k.embedding_error is null
      order by k.created_at
      limit ${batchSize}`);
    if (rows.length === 0) break;
    const done = await embedRows(executor, embed, rows, signal);
    embedded += done.embedded;
    refused += done.refused;
    onProgress(embedded + refused);
    // Every one of them changed under our hands: not now, then.
    if (done.embedded + done.refused === 0) break;
  }
  return { embedded, refused };
}

/** Of rows that are refused together, halves are tried, so that one text does not keep the others. */
async function embedRows(
  executor: Executor,
  embed: Embed,
  rows: readonly Row[],
  signal: AbortSignal,
): Promise<EmbeddedKnowledge> {
  let vectors: Awaited<ReturnType<Embed>>;
  try {
    vectors = await embed(
      rows.map(({ content }) => content),
      signal,
    );
  } catch (error) {
    if (!(error instanceof EmbeddingError) || error.reason !== 'refused') throw error;
    const [only] = rows;
    if (rows.length === 1 && only) {
      return { embedded: 0, refused: await storeError(executor, only, error.message) };
    }
    const half = Math.ceil(rows.length / 2);
    const first = await embedRows(executor, embed, rows.slice(0, half), signal);
    const second = await embedRows(executor, embed, rows.slice(half), signal);
    return { embedded: first.embedded + second.embedded, refused: first.refused + second.refused };
  }
  const { rowCount } = await executor.query(sql`
    update app_public.knowledge k
    set embedding = e.embedding::public.vector
    from unnest(
      ${rows.map((row) => row.tenant_id)}::text[], ${rows.map((row) => row.id)}::text[],
      ${rows.map((row) => row.digest)}::text[], ${vectors.map((vector) => JSON.stringify(vector))}::text[]
    ) e(tenant_id, id, digest, embedding)
    where k.tenant_id = e.tenant_id and k.id = e.id and k.embedding is null and md5(k.content) = e.digest`);
  return { embedded: rowCount ?? 0, refused: 0 };
}

async function storeError(executor: Executor, row: Row, message: string): Promise<number> {
  const { rowCount } = await executor.query(sql`
    update app_public.knowledge k
    set embedding_error = ${message}
    where k.tenant_id = ${row.tenant_id} and k.id = ${row.id} and k.embedding is null and md5(k.content) = ${row.digest}`);
  return rowCount ?? 0;
}
