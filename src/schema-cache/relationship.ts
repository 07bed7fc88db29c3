import type { QualifiedName } from './identifier.ts';

/** A way from rows of `table` to rows of `foreignTable`, seen from `table`. The two directions are separate entries. */
export type Relationship = ForeignKeyRelationship | ComputedRelationship;

/**
 * A foreign key in its own direction, against it, or two of them over a junction. Views have those of their base
 * tables.
 */
export interface ForeignKeyRelationship {
  readonly kind: 'foreign-key';
  readonly table: QualifiedName;
  readonly foreignTable: QualifiedName;
  readonly isSelf: boolean;
  readonly tableIsView: boolean;
  readonly foreignTableIsView: boolean;
  readonly cardinality: Cardinality;
}

/** A function that takes a row of `table` and returns rows of `foreignTable`. */
export interface ComputedRelationship {
  readonly kind: 'computed';
  readonly function: QualifiedName;
  readonly table: QualifiedName;
  readonly foreignTable: QualifiedName;
  readonly isSelf: boolean;
  /** `returns <type>`, or `setof ... rows 1`. */
  readonly toOne: boolean;
}

/** A pair of joined columns: one of `table`, and one of `foreignTable` (or of the junction). */
export type ColumnPair = readonly [column: string, foreignColumn: string];

export type Cardinality =
  | { readonly kind: 'many-to-one'; readonly constraint: string; readonly columns: readonly ColumnPair[] }
  | { readonly kind: 'one-to-many'; readonly constraint: string; readonly columns: readonly ColumnPair[] }
  /** `isParent`: `table` is the referenced side. */
  | {
      readonly kind: 'one-to-one';
      readonly constraint: string;
      readonly columns: readonly ColumnPair[];
      readonly isParent: boolean;
    }
  | { readonly kind: 'many-to-many'; readonly junction: Junction };

/** The table between two others. Both its foreign keys belong to its primary key. */
export interface Junction {
  readonly table: QualifiedName;
  readonly sourceConstraint: string;
  readonly targetConstraint: string;
  /** `[column of table, column of the junction]` */
  readonly sourceColumns: readonly ColumnPair[];
  /** `[column of foreignTable, column of the junction]` */
  readonly targetColumns: readonly ColumnPair[];
}

/** Whether a row of `table` leads to at most one row of `foreignTable`. */
export function isToOne(relationship: Relationship): boolean {
  if (relationship.kind === 'computed') return relationship.toOne;
  const { kind } = relationship.cardinality;
  return kind === 'many-to-one' || kind === 'one-to-one';
}
