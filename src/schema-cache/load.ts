import type { Database } from '../db/database.ts';
import { buildForeignKeys } from './build/foreign-keys.ts';
import { buildLineage } from './build/lineage.ts';
import { buildMediaHandlers } from './build/media-handlers.ts';
import { buildRelationships } from './build/relationships.ts';
import { buildRoleSettings } from './build/role-settings.ts';
import { buildRoutines } from './build/routines.ts';
import { buildTables } from './build/tables.ts';
import { buildPrimaryKeys } from './build/view-keys.ts';
import { readCatalog } from './catalog/read-catalog.ts';
import type { CatalogRows } from './catalog/read-catalog.ts';
import { nameKey } from './identifier.ts';
import { representationKey } from './schema-cache.ts';
import type { SchemaCache } from './schema-cache.ts';

export interface SchemaCacheOptions {
  /** The exposed schemas. */
  readonly schemas: readonly string[];
  /** Further schemas of the `search_path`: views in them pass on the keys of their base tables. They need not exist. */
  readonly extraSearchPath: readonly string[];
  /** Names of the function settings that hold for the whole transaction. */
  readonly hoistedSettings: readonly string[];
}

/**
 * Reads the catalog as the pool's login sees it, in one transaction. Rejects with MissingSchema, and with the errors
 * of the database.
 */
export async function loadSchemaCache(database: Database, options: SchemaCacheOptions): Promise<SchemaCache> {
  return buildSchemaCache(await readCatalog(database, options.schemas, options.extraSearchPath), options);
}

/** Builds the snapshot from the catalog's rows. */
export function buildSchemaCache(
  rows: CatalogRows,
  { schemas, hoistedSettings }: SchemaCacheOptions,
): SchemaCache {
  const names = new Map<number, Map<number, string>>();
  for (const { relation, position, name } of rows.columns) {
    const ofRelation = names.get(relation);
    if (ofRelation) ofRelation.set(position, name);
    else names.set(relation, new Map([[position, name]]));
  }
  const columnName = (relation: number, position: number) => names.get(relation)?.get(position);
  // Only columns of exposed relations were read.
  const lineage = buildLineage(rows.viewRules, (view) => names.has(view));
  const primaryKeys = buildPrimaryKeys(rows.relations, rows.keys, lineage, columnName);
  const tables = buildTables(rows.relations, rows.columns, primaryKeys, schemas);
  const keysByName = new Map(
    rows.relations
      .filter((row) => !row.is_partition)
      .map((row) => [nameKey(row.schema, row.name), primaryKeys.get(row.oid) ?? []]),
  );
  const foreignKeys = buildForeignKeys(rows.relations, rows.keys, lineage, columnName);
  return {
    tables,
    relationships: buildRelationships(foreignKeys, rows.computedRelationships, keysByName, schemas),
    routines: buildRoutines(rows.routines, new Set(hoistedSettings.map((name) => name.toLowerCase()))),
    representations: new Map(
      rows.representations.map((row) => [representationKey(row.source_type, row.target_type), row.function]),
    ),
    mediaHandlers: buildMediaHandlers(rows.mediaHandlers),
    serverVersion: rows.serverVersion,
    roleSettings: buildRoleSettings(rows.roleSettings),
  };
}
