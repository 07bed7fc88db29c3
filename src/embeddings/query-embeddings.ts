import type { TransactionSettings } from '../db/database.ts';
import type { Embed } from './embedding-client.ts';

/** Setting in which `app_public.search_knowledge_text` looks for embeddings of texts. */
const setting = 'app.query_embeddings';

/**
 * Longest text that is embedded, in UTF-16 units: room for 10,000 characters. The functions refuse a longer
 * text without its embedding.
 */
const longestText = 20_000;

/**
 * The setting under which a request may call search_knowledge_text for these texts. Empty without texts or
 * without an endpoint; the function then refuses. Rejects with EmbeddingError.
 */
export async function queryEmbeddingSettings(
  embed: Embed | null,
  texts: readonly string[],
): Promise<TransactionSettings> {
  const distinct = [...new Set(texts)].filter((text) => text.trim() !== '' && text.length <= longestText);
  if (!embed || distinct.length === 0) return {};
  const vectors = await embed(distinct);
  return {
    [setting]: JSON.stringify(Object.fromEntries(distinct.map((text, i) => [text, vectors[i]]))),
  };
}
