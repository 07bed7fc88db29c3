import type { QualifiedName } from './identifier.ts';

/** A function that can be called. Overloads are entries of their own. Not procedures, aggregates or trigger functions. */
export interface Routine extends QualifiedName {
  readonly comment: string | null;
  /** In the order of the declaration, IN, INOUT and VARIADIC only. */
  readonly parameters: readonly Parameter[];
  readonly returns: ReturnType;
  readonly volatility: 'volatile' | 'stable' | 'immutable';
  readonly isVariadic: boolean;
  /** `set default_transaction_isolation = ...` of the function; null: the caller's. */
  readonly isolationLevel: 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable' | null;
  /** The function's `set` settings that count for the whole transaction when it is called: name and value. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}

export interface Parameter {
  /** Empty: unnamed. */
  readonly name: string;
  /** As `format_type` says it. */
  readonly type: string;
  /** With the modifier's maximum: `character varying` for `varchar(3)`, whose length would otherwise cut in silence. */
  readonly typeWithoutLength: string;
  readonly required: boolean;
  readonly variadic: boolean;
}

export interface ReturnType {
  readonly setOf: boolean;
  readonly type: QualifiedName;
  /** A table's row, a composite type, `returns table (...)`, or several OUT parameters; else a scalar. */
  readonly composite: boolean;
  /** The composite is a domain over one. */
  readonly compositeAlias: boolean;
}

/** Whether one value comes back rather than rows. */
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

/** The relation whose rows come back: what filters and embedding on a function's result refer to. */
export function resultRelation({ returns }: Routine): string | null {
  return returns.composite ? returns.type.name : null;
}
