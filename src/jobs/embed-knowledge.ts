import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { EmbeddingError, impatient } from '../embeddings/embedding-client.ts';
import type { Embed, EmbeddingPatience } from '../embeddings/embedding-client.ts';
import { quarantine, withQuarantine } from '../quarantine.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/**
 * Number of texts in a request to the endpoint. Most endpoints take more, but refuse a whole request for one
 * bad text.
 */
const batchSize = 64;
/** Bytes of a request's texts together, unless a single text is longer. */
const batchBytes = 1_000_000;

/**
 * How many texts of a tenant may be found at fault in one run. Finding one takes minutes when the endpoint does
 * not answer.
 */
const mostBlamed = 5;

const task = 'embed_knowledge';

/** The result of a run. */
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

/** The state that the functions of one run share. */
interface Run {
  readonly executor: Executor;
  readonly embed: Embed;
  readonly signal: AbortSignal;
  /** Number of items set aside in this run, by tenant. */
  readonly blamed: Map<string, number>;
}

/**
 * Embeds the knowledge that has no embedding, of all tenants in turn and oldest first, until none is left or
 * the signal ends it between two requests. Content that changes in the meantime is left to the next run. An
 * item is set aside if the endpoint embeds other texts but returns no usable embedding for this one. Rejects
 * with EmbeddingError when the endpoint embeds nothing at all; embeddings made until then are stored. Calls
 * `onProgress` with the number of finished items. Needs the worker's role.
 */
export async function embedKnowledge(
  executor: Executor,
  embed: Embed,
  signal: AbortSignal,
  onProgress: (done: number) => void = () => {},
): Promise<EmbeddedKnowledge> {
  let [embedded, refused] = [0, 0];
  const run: Run = { executor, embed, signal, blamed: new Map() };
  await withQuarantine(executor, task, signal, async () => {
    while (!signal.aborted) {
      const rows = await nextRows(run);
      if (rows.length === 0) break;
      const done = await embedRows(run, rows);
      embedded += done.embedded;
      refused += done.refused;
      onProgress(embedded + refused);
      // Every row of the batch changed in the meantime or was set aside, so the run ends here.
      if (done.embedded + done.refused === 0) break;
    }
  });
  return { embedded, refused };
}

/** A batch in which each tenant has its share, so that no tenant waits for the thousands of another. */
async function nextRows({ executor, blamed }: Run): Promise<readonly Row[]> {
  const passedOver = [...blamed].filter(([, count]) => count >= mostBlamed).map(([tenant]) => tenant);
  const { rows } = await executor.query<Row>(
    sql`select * from ops.texts_to_embed(${passedOver}, ${batchSize}, ${batchBytes})`,
  );
  return rows;
}

/** Embeds rows. If they fail together, each half is tried, so that one bad text does not hold up the others. */
async function embedRows(
  run: Run,
  rows: readonly Row[],
  patience?: EmbeddingPatience,
): Promise<EmbeddedKnowledge> {
  const { executor, embed, signal } = run;
  const texts = rows.map(({ content }) => content);
  let vectors: Awaited<ReturnType<Embed>>;
  try {
    vectors = await embed(texts, signal, patience);
  } catch (error) {
    if (!(error instanceof EmbeddingError)) throw error;
    // Some endpoints answer 500 to a text that they cannot take, or do not answer at all.
    if (error.reason !== 'refused' && !(await embedsAnything(run))) throw error;
    const [only] = rows;
    if (rows.length === 1 && only) return blame(run, only, error);
    const half = Math.ceil(rows.length / 2);
    const done = { embedded: 0, refused: 0 };
    for (const part of [rows.slice(0, half), rows.slice(half)]) {
      const { embedded, refused } = await embedRows(run, part.filter(isTried(run)), impatient);
      done.embedded += embedded;
      done.refused += refused;
    }
    return done;
  }
  return { embedded: await storeRows(executor, rows, vectors), refused: 0 };
}

function isTried({ blamed }: Run): (row: Row) => boolean {
  return ({ tenant_id: tenant }) => (blamed.get(tenant) ?? 0) < mostBlamed;
}

/** Records why a text is refused for good, or sets aside one that may be embedded later. */
async function blame(run: Run, row: Row, error: EmbeddingError): Promise<EmbeddedKnowledge> {
  const { executor, blamed } = run;
  if (error.reason === 'refused')
    return { embedded: 0, refused: await storeError(executor, row, error.message) };
  blamed.set(row.tenant_id, (blamed.get(row.tenant_id) ?? 0) + 1);
  await quarantine(executor, { task, tenant: row.tenant_id, item: row.id }, error);
  return { embedded: 0, refused: 0 };
}

/** Whether the endpoint embeds a harmless text. */
async function embedsAnything({ embed, signal }: Run): Promise<boolean> {
  try {
    await embed(['text'], signal, impatient);
    return true;
  } catch (error) {
    if (error instanceof EmbeddingError) return false;
    throw error;
  }
}

/**
 * Stores all vectors together. If that fails, stores them one by one and sets aside those that cannot be
 * stored. Returns the number of stored ones.
 */
async function storeRows(
  executor: Executor,
  rows: readonly Row[],
  vectors: readonly (readonly number[])[],
): Promise<number> {
  try {
    const { rows: stored } = await executor.query<{ count: number }>(sql`
      select ops.store_embeddings(
        ${rows.map((row) => row.tenant_id)}::text[], ${rows.map((row) => row.id)}::text[],
        ${rows.map((row) => row.digest)}::text[], ${vectors.map((vector) => JSON.stringify(vector))}::text[]
      ) as count`);
    return stored[0]?.count ?? 0;
  } catch (error) {
    const [only] = rows;
    if (rows.length === 1 && only) {
      await quarantine(executor, { task, tenant: only.tenant_id, item: only.id }, error);
      return 0;
    }
    let stored = 0;
    for (const [i, row] of rows.entries()) stored += await storeRows(executor, [row], [vectors[i]!]);
    return stored;
  }
}

async function storeError(executor: Executor, row: Row, message: string): Promise<number> {
  const { rows } = await executor.query<{ stored: boolean }>(
    sql`select ops.refuse_embedding(${row.tenant_id}, ${row.id}, ${row.digest}, ${message}) as stored`,
  );
  return rows[0]?.stored ? 1 : 0;
}

// Its lock and its key let one run at a time: two would pay for the same embeddings. The next run continues
// where this one ended.
export const embedKnowledgeJob = defineJob({
  task,
  does: 'embeds the knowledge that has no embedding',
  schedule: {
    match: '* * * * *',
    everyMinutes: 1,
    options: {
      backfillPeriod: 0,
      maxAttempts: 1,
      queueName: task,
      jobKey: task,
      jobKeyMode: 'preserve_run_at',
    },
  },
  changesData: true,
  parse: noPayload,
  lock: task,
  expectedMinutes: 60,
  run: async (_payload, run, { executor, embed }) => {
    if (!embed) return null;
    const { embedded, refused } = await embedKnowledge(executor, embed, run.signal, (done) =>
      run.progress(null, `${done} items so far`),
    );
    if (embedded + refused === 0) return null;
    return `embedded ${embedded} items of knowledge; the endpoint refused ${refused}`;
  },
});
