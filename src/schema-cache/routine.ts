import type { QualifiedName } from './identifier.ts';

/** A function that can be called, but not a procedure, aggregate or trigger function. Each overload is its own entry. */
export interface Routine extends QualifiedName {
  readonly comment: string | null;
  /** In declaration order; only IN, INOUT and VARIADIC. */
  readonly parameters: readonly Parameter[];
  readonly returns: ReturnType;
  readonly volatility: 'volatile' | 'stable' | 'immutable';
  readonly isVariadic: boolean;
  /** The function's `set default_transaction_isolation = ...`; null: the caller's level applies. */
  readonly isolationLevel: 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable' | null;
  /** The function's `set` settings that hold for the whole transaction of a call: name and value. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}

export interface Parameter {
  /** Empty: the parameter is unnamed. */
  readonly name: string;
  /** In the form of `format_type`. */
  readonly type: string;
  /** The type at its greatest length: `character varying` for `varchar(3)`, whose length would silently cut values. */
  readonly typeWithoutLength: string;
  readonly required: boolean;
  readonly variadic: boolean;
}

export interface ReturnType {
  readonly setOf: boolean;
  readonly type: QualifiedName;
  /**
   * True for a table's row, a composite type, `returns table (...)` and several OUT parameters; otherwise the type is
   * a scalar.
   */
  readonly composite: boolean;
  /** Whether the declared type is a domain over the composite type. */
  readonly compositeAlias: boolean;
}

/** Whether the function returns a single value rather than rows. */
export function returnsScalar({ returns }: Routine): boolean {
  return !returns.setOf && !returns.composite;
}

export function returnsSetOfScalar({ returns }: Routine): boolean {
  return returns.setOf && !returns.composite;
}

export function returnsSingleComposite({ returns }: Routine): boolean {
  return !returns.setOf && returns.composite;
}

export function returnsVoid({ returns }: Routine): boolean {
  return !returns.setOf && returns.type.schema === 'pg_catalog' && returns.type.name === 'void';
}

/** The relation whose rows are returned. Filters and embedding on a function's result refer to it. */
export function resultRelation({ returns }: Routine): string | null {
  return returns.composite ? returns.type.name : null;
}
