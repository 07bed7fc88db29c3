import type { Database, Transaction } from '../../db/database.ts';
import { sql } from '../../db/statement.ts';
import type { Statement } from '../../db/statement.ts';
import { OperationalError } from '../../operational-error.ts';
import { columnsStatement } from './columns.ts';
import type { ColumnRow } from './columns.ts';
import { computedRelationshipsStatement } from './computed-relationships.ts';
import type { ComputedRelationshipRow } from './computed-relationships.ts';
import { keysStatement } from './keys.ts';
import type { KeyRow } from './keys.ts';
import { mediaHandlersStatement } from './media-handlers.ts';
import type { MediaHandlerRow } from './media-handlers.ts';
import { relationsStatement } from './relations.ts';
import type { RelationRow } from './relations.ts';
import { representationsStatement } from './representations.ts';
import type { RepresentationRow } from './representations.ts';
import { roleSettingsStatement } from './role-settings.ts';
import type { RoleSettingRow } from './role-settings.ts';
import { routinesStatement } from './routines.ts';
import type { RoutineRow } from './routines.ts';
import { viewRulesStatement } from './view-rules.ts';
import type { ViewRuleRow } from './view-rules.ts';

/** The contents of the catalog at one moment. */
export interface CatalogRows {
  readonly serverVersion: number;
  readonly relations: readonly RelationRow[];
  readonly columns: readonly ColumnRow[];
  readonly keys: readonly KeyRow[];
  readonly viewRules: readonly ViewRuleRow[];
  readonly computedRelationships: readonly ComputedRelationshipRow[];
  readonly routines: readonly RoutineRow[];
  readonly representations: readonly RepresentationRow[];
  readonly mediaHandlers: readonly MediaHandlerRow[];
  readonly roleSettings: readonly RoleSettingRow[];
}

/** The database lacks a schema that is to be exposed. */
export class MissingSchema extends OperationalError {
  override name = 'MissingSchema';
}

/**
 * Reads the catalog in one snapshot. The search path is empty meanwhile, so that Postgres writes every name in types and
 * expressions with its schema, and the name means the same under any request's search path. Rejects with MissingSchema.
 */
export async function readCatalog(
  database: Database,
  schemas: readonly string[],
  extraSearchPath: readonly string[],
): Promise<CatalogRows> {
  const readAll = async (transaction: Transaction): Promise<CatalogRows> => {
    // The planner expects millions of rows here, so JIT would compile these statements for longer than they run.
    await transaction.query(sql`select set_config('search_path', '', true), set_config('jit', 'off', true)`);
    const serverVersion = await checkSchemas(transaction, schemas);
    const rows = async <Row>(statement: Statement) => (await transaction.query<Row>(statement)).rows;
    return {
      serverVersion,
      relations: await rows<RelationRow>(relationsStatement(schemas)),
      columns: await rows<ColumnRow>(columnsStatement(schemas)),
      keys: await rows<KeyRow>(keysStatement()),
      viewRules: await rows<ViewRuleRow>(viewRulesStatement([...schemas, ...extraSearchPath])),
      computedRelationships: await rows<ComputedRelationshipRow>(computedRelationshipsStatement(schemas)),
      routines: await rows<RoutineRow>(routinesStatement(schemas)),
      representations: await rows<RepresentationRow>(representationsStatement()),
      mediaHandlers: await rows<MediaHandlerRow>(mediaHandlersStatement(schemas)),
      roleSettings: await rows<RoleSettingRow>(roleSettingsStatement()),
    };
  };
  return database.transaction({ transaction_read_only: 'on' }, readAll, 'repeatable read');
}

async function checkSchemas(transaction: Transaction, schemas: readonly string[]): Promise<number> {
  const { rows } = await transaction.query<{ version: number; missing: string | null }>(
    sql`select current_setting('server_version_num')::int as version,
               (select string_agg(quote_ident(name), ', ')
                from unnest(${schemas}::text[]) u (name)
                where not exists (select from pg_namespace n where n.nspname = u.name)) as missing`,
  );
  const { version, missing } = rows[0]!;
  if (missing !== null) {
    throw new MissingSchema(`the database has no schema ${missing}; create it, or expose another one`);
  }
  return version;
}
