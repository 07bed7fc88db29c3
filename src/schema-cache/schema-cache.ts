import type { QualifiedName } from './identifier.ts';
import { nameKey } from './identifier.ts';
import type { ResolvedMediaHandler } from './media-handler.ts';
import type { Relationship } from './relationship.ts';
import type { Routine } from './routine.ts';
import type { Table } from './table.ts';

/** What the catalog said when it was read. Immutable; a reload makes another one. */
export interface SchemaCache {
  /** Relations of the exposed schemas and of what these refer to, by `nameKey`. */
  readonly tables: ReadonlyMap<string, Table>;
  /** By the table that they start from and the schema of the foreign table, or of the function: `relationshipKey`. */
  readonly relationships: ReadonlyMap<string, readonly Relationship[]>;
  /** Overloads by `nameKey`. */
  readonly routines: ReadonlyMap<string, readonly Routine[]>;
  /** Functions of casts from or to domains, by `representationKey` of both type names; the value is quoted SQL. */
  readonly representations: ReadonlyMap<string, string>;
  /** By `mediaHandlerKey`. */
  readonly mediaHandlers: ReadonlyMap<string, ResolvedMediaHandler>;
  /** `server_version_num`. */
  readonly serverVersion: number;
  /** Settings of the roles that the login can switch to (`alter role ... set`), by role; isolation level included. */
  readonly roleSettings: ReadonlyMap<string, RoleSettings>;
}

/** What `alter role ... set` says about a role that requests run under. */
export interface RoleSettings {
  readonly isolationLevel: Routine['isolationLevel'];
  /** Those that the login may set: name and value. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}

/** Key of `relationships`. */
export function relationshipKey(table: QualifiedName, foreignSchema: string): string {
  return JSON.stringify([table.schema, table.name, foreignSchema]);
}

/** Key of `representations`: both as `Column.nominalType`, or `json` and `text`. */
export function representationKey(sourceType: string, targetType: string): string {
  return nameKey(sourceType, targetType);
}

/** Key of `mediaHandlers`; `relation` null: for rows of any relation. */
export function mediaHandlerKey(relation: QualifiedName | null, mediaType: string): string {
  return JSON.stringify([relation?.schema ?? null, relation?.name ?? null, mediaType]);
}
