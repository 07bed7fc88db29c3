import type { Claims, RequestRole } from '../auth/claims.ts';
import { AnswerTooLarge } from '../db/answer-limit.ts';
import type { Installation } from '../db/installation.ts';
import { asRequester } from '../auth/requester.ts';
import { keyTypes } from './topic.ts';
import type { Topic } from './topic.ts';

/** A reader as row-level security knows it: readers with the same role and tenant see the same rows. */
export interface Viewer {
  readonly role: RequestRole;
  readonly tenantId: string;
}

/** Claims with only the role and tenant, for reads that are shared by everybody who has both. */
export function claimsOfViewer({ role, tenantId }: Viewer): Claims {
  return { role, tenantId, subject: null, json: JSON.stringify({ role, tenant_id: tenantId }) };
}

/**
 * The most bytes that a thousand rows (the most read at once) may have together. More would endanger the shared
 * memory.
 */
const maxBytes = 16_777_216;

/** The rows with these ids that the viewer may see, as JSON text by id; null: together they exceed 16 MB. One query. */
export async function readRows(
  installation: Installation,
  viewer: Viewer,
  topic: Topic,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string> | null> {
  const scoped = asRequester(installation, claimsOfViewer(viewer));
  try {
    const { rows } = await scoped.query<{ key: string; row: string }>({
      text: `select t.id::text as key, row_to_json(t)::text as row
      from app_public.${topic} t where t.id = any ($1::${keyTypes[topic]}[])`,
      values: [keys],
      prepare: true,
      maxBytes,
    });
    return new Map(rows.map(({ key, row }) => [key, row]));
  } catch (error) {
    if (error instanceof AnswerTooLarge) return null;
    throw error;
  }
}
