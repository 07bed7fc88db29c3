import type { Claims, RequestRole } from '../auth/claims.ts';
import type { Database } from '../db/database.ts';
import { withSession } from '../db/session.ts';
import { keyTypes } from './topic.ts';
import type { Topic } from './topic.ts';

/** Who looks: all that row-level security asks, so whoever has the same sees the same. */
export interface Viewer {
  readonly role: RequestRole;
  readonly tenantId: string;
}

/** The claims of anybody of this role and tenant, for reads that are shared among them. */
export function claimsOfViewer({ role, tenantId }: Viewer): Claims {
  return { role, tenantId, subject: null, json: JSON.stringify({ role, tenant_id: tenantId }) };
}

/** The rows with these ids that the viewer may see, as JSON text by id. One query. */
export async function readRows(
  database: Database,
  rolePrefix: string,
  viewer: Viewer,
  topic: Topic,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const session = withSession(database, claimsOfViewer(viewer), { rolePrefix });
  const { rows } = await session.query<{ key: string; row: string }>({
    text: `select t.id::text as key, row_to_json(t)::text as row
      from app_public.${topic} t where t.id = any ($1::${keyTypes[topic]}[])`,
    values: [keys],
    prepare: true,
  });
  return new Map(rows.map(({ key, row }) => [key, row]));
}
