import type { TransactionSettings } from '../db/database.ts';
import type { Embed } from './embedding-client.ts';

/** Where `app_public.search_knowledge_text` finds embeddings of texts. */
const setting = 'app.query_embeddings';

/** UTF-16 units of 10,000 characters at most: the functions refuse whatever is longer, and need no embedding to do so. */
const longestText = 20_000;

/**
 * The setting under which a request may call search_knowledge_text for these texts; without any text, or without an
 * endpoint, none, and the function refuses. Rejects with EmbeddingError.
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
