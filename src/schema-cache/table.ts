import type { QualifiedName } from './identifier.ts';

/** A table, view, materialized view, foreign table or partitioned table of an exposed schema. */
export interface Table extends QualifiedName {
  readonly comment: string | null;
  readonly isView: boolean;
  /** What the relation can do at all (views: updatable or with triggers), whatever the caller's privileges. */
  readonly insertable: boolean;
  readonly updatable: boolean;
  readonly deletable: boolean;
  /** In the key's order; of a view those that come from its base tables' keys. Empty: no key. */
  readonly primaryKey: readonly string[];
  /** In the order of the table's definition. */
  readonly columns: ReadonlyMap<string, Column>;
}

export interface Column {
  readonly name: string;
  readonly comment: string | null;
  readonly nullable: boolean;
  /** Generated always, or identity always: no value may be given. */
  readonly generated: boolean;
  /**
   * The type without modifier, a domain's as the type under it: `character varying`, for clients to read. Types that
   * are not Postgres' own, domains over such included, are as in `nominalType`.
   */
  readonly type: string;
  /**
   * The type as declared, to cast to: modifier included (`character varying(20)`), domains and all other types that are
   * not Postgres' own with their schema. Data representations are keyed by it.
   */
  readonly nominalType: string;
  /** Characters; null: no limit. */
  readonly maxLength: number | null;
  /** The default's expression; for identity columns what draws the next value. Null: none. */
  readonly defaultExpression: string | null;
  /** The labels of an enum in their order; empty for other types. */
  readonly enumLabels: readonly string[];
}
