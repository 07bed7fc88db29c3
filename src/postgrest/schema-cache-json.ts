import type { SchemaCache } from '../schema-cache/schema-cache.ts';

/**
 * The snapshot of the catalog as JSON, for finding out why a request did not find something. Its shape is not stable.
 */
export function schemaCacheJson(cache: SchemaCache): string {
  return JSON.stringify({
    dbMediaHandlers: [...cache.mediaHandlers],
    dbRelationships: [...cache.relationships],
    dbRepresentations: [...cache.representations],
    dbRoutines: [...cache.routines],
    dbTables: [...cache.tables].map(([key, table]) => [
      key,
      { ...table, columns: [...table.columns.values()] },
    ]),
  });
}
