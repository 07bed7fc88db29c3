import type { QualifiedName } from './identifier.ts';

/** A table, view, materialized view, foreign table or partitioned table of an exposed schema. */
export interface Table extends QualifiedName {
  readonly comment: string | null;
  readonly isView: boolean;
  /** What the relation supports (a view if it is updatable or has triggers), whatever the caller's privileges. */
  readonly insertable: boolean;
  readonly updatable: boolean;
  readonly deletable: boolean;
  /** In the key's order; a view has the columns of its base tables' keys. Empty: no key. */
  readonly primaryKey: readonly string[];
  /**
   * The keys that an upsert can go by, the primary key first: the columns of unique indexes that cover all rows and
   * are checked at once. Empty for a view.
   */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** In the order of the table's definition. */
  readonly columns: ReadonlyMap<string, Column>;
}

export interface Column {
  readonly name: string;
  readonly comment: string | null;
  readonly nullable: boolean;
  /** Generated always, or identity always: requests may not set a value. */
  readonly generated: boolean;
  /**
   * The type for clients to read, without modifier: `character varying`. A domain is shown as the type beneath it.
   * Types that are not Postgres's own, and domains over them, are shown as in `nominalType`.
   */
  readonly type: string;
  /**
   * The type as declared, to cast to, with its modifier: `character varying(20)`. Domains and all other types that
   * are not Postgres's own carry their schema. Data representations are keyed by it.
   */
  readonly nominalType: string;
  /** The limit in characters; null: no limit. */
  readonly maxLength: number | null;
  /** The default's expression; for an identity column, the expression that draws the next value. Null: no default. */
  readonly defaultExpression: string | null;
  /** The labels of an enum, in order; empty for other types. */
  readonly enumLabels: readonly string[];
}
