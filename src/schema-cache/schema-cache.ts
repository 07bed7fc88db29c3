import type { QualifiedName } from './identifier.ts';
import { nameKey } from './identifier.ts';
import type { ResolvedMediaHandler } from './media-handler.ts';
import type { Relationship } from './relationship.ts';
import type { Routine } from './routine.ts';
import type { Table } from './table.ts';

/** A snapshot of the catalog. Immutable: a reload makes a new one. */
export interface SchemaCache {
  /** Relations of the exposed schemas and of what these refer to, by `nameKey`. */
  readonly tables: ReadonlyMap<string, Table>;
  /** By `relationshipKey`: the table where they start, and the schema of the foreign table or of the function. */
  readonly relationships: ReadonlyMap<string, readonly Relationship[]>;
  /** Overloads by `nameKey`. */
  readonly routines: ReadonlyMap<string, readonly Routine[]>;
  /** Functions that cast from or to domains, by the `representationKey` of both type names; the value is quoted SQL. */
  readonly representations: ReadonlyMap<string, string>;
  /** Handlers by `mediaHandlerKey`. */
  readonly mediaHandlers: ReadonlyMap<string, ResolvedMediaHandler>;
  /** `server_version_num`. */
  readonly serverVersion: number;
  /**
   * Settings (`alter role ... set`) of the roles that the login can switch to, by role; includes the isolation level.
   */
  readonly roleSettings: ReadonlyMap<string, RoleSettings>;
}

/** The `alter role ... set` settings of a role that requests run under. */
export interface RoleSettings {
  readonly isolationLevel: Routine['isolationLevel'];
  /** The settings that the login may set: name and value. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}

/** The key of `relationships`. */
export function relationshipKey(table: QualifiedName, foreignSchema: string): string {
  return JSON.stringify([table.schema, table.name, foreignSchema]);
}

/** The key of `representations`: both names as `Column.nominalType`, or `json` and `text`. */
export function representationKey(sourceType: string, targetType: string): string {
  return nameKey(sourceType, targetType);
}

/** The key of `mediaHandlers`; `relation` null: the handler serves rows of any relation. */
export function mediaHandlerKey(relation: QualifiedName | null, mediaType: string): string {
  return JSON.stringify([relation?.schema ?? null, relation?.name ?? null, mediaType]);
}
