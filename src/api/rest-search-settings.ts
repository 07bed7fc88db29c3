import type { TransactionSettings } from '../db/database.ts';
import { RestError } from '../rest/errors.ts';
import type { RawRequest } from '../rest/request/raw-request.ts';
import type { Requester } from '../rest/requester.ts';
import { EmbeddingError } from '../embeddings/embedding-client.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import { queryEmbeddingSettings } from '../embeddings/query-embeddings.ts';

/**
 * Connection settings that a REST request needs besides the usual ones: a call of search_knowledge_text gets the
 * embedding of its text, any other request gets none. Anonymous callers get none either, because each embedding costs
 * money. Rejects with RestError: LTR012 when the endpoint refuses the text, LTR503 when it returns no embedding.
 */
export async function searchCallSettings(
  embed: Embed | null,
  raw: RawRequest,
  requester: Requester,
): Promise<TransactionSettings> {
  if (!embed || requester.isAnonymous || raw.path !== '/rpc/search_knowledge_text') return {};
  const text = queryTextOf(raw);
  try {
    return await queryEmbeddingSettings(embed, text === null ? [] : [text]);
  } catch (error) {
    if (!(error instanceof EmbeddingError)) throw error;
    throw error.reason === 'refused'
      ? new RestError('LTR012', 'The query_text cannot be embedded.', {
          cause: error,
          details: error.message,
        })
      : new RestError('LTR503', 'The query_text cannot be embedded at the moment.', {
          cause: error,
          details: error.message,
          hint: 'Try again in a few seconds, or call search_knowledge with query_text alone.',
        });
  }
}

/**
 * Null: the text is missing or cannot be read; the dialect and the function then report what is wrong. Throws LTR012
 * for JSON that is not a string: Postgres would turn it into text, and that text would have no embedding.
 */
function queryTextOf({ method, query, headers, body }: RawRequest): string | null {
  if (method !== 'POST') return new URLSearchParams(query).get('query_text');
  if (headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    return new URLSearchParams(body.toString()).get('query_text');
  }
  let text: unknown;
  try {
    const given: unknown = JSON.parse(body.toString());
    text = typeof given === 'object' && given !== null && 'query_text' in given ? given.query_text : null;
  } catch {
    return null;
  }
  if (text === null || typeof text === 'string') return text;
  throw new RestError('LTR012', 'The query_text cannot be embedded.', {
    details: `it is ${JSON.stringify(text).slice(0, 100)}; a JSON string is expected`,
  });
}
