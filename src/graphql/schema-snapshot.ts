import { makeSchema } from 'postgraphile/graphile-build';
import type { GraphQLSchema } from 'postgraphile/graphql';
import type { Installation } from '../db/installation.ts';
import type { PageSizes } from '../request-budget.ts';
import { haveSameSchema, readFingerprint } from '../schema-cache/fingerprint.ts';
import type { Fingerprint } from '../schema-cache/fingerprint.ts';
import type { Exposure } from './exposure.ts';
import { makePrepareQuery } from './operation-cache.ts';
import type { PrepareQuery } from './operation-cache.ts';
import { schemasByPlanSize } from './plan-memory.ts';
import { makePreset } from './preset.ts';

/**
 * The GraphQL schema of the catalog at one moment, with what is remembered about queries of it. An operation runs on the
 * snapshot that it was prepared with, and keeps it in memory until it ends.
 */
export interface SchemaSnapshot {
  /** The fingerprint of the catalog just before it was read. */
  readonly fingerprint: Fingerprint;
  readonly resolvedPreset: GraphileConfig.ResolvedPreset;
  readonly schemaFor: (fields: number) => GraphQLSchema;
  readonly prepare: PrepareQuery;
}

/**
 * Introspects the database and builds its schema, which takes about a second and most of that on the thread of the
 * process, so requests wait meanwhile. Null: the schema is as it was for `known`. Rejects with the database's errors, and with those of
 * PostGraphile.
 */
export async function buildSnapshot(
  installation: Installation,
  pages: PageSizes,
  exposure: Exposure,
  known: Fingerprint | null,
): Promise<SchemaSnapshot | null> {
  // Read before the catalog: what changes meanwhile makes another fingerprint.
  const fingerprint = await readFingerprint(installation.database, known);
  if (known !== null && haveSameSchema(fingerprint, known)) return null;
  const { schema, resolvedPreset } = await makeSchema(makePreset(installation, pages, exposure));
  return {
    fingerprint,
    resolvedPreset,
    schemaFor: schemasByPlanSize(schema),
    prepare: makePrepareQuery(schema, pages),
  };
}
