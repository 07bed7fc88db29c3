import type { MediaType } from './media-type.ts';

// The content of a query string, as data. The grammar is PostgREST's; the parsers beside this file produce it, and
// the planner reads it.

/** One `->` or `->>` step into a json column. An index may be negative. */
export type JsonStep =
  | { readonly arrow: '->' | '->>'; readonly key: string }
  | { readonly arrow: '->' | '->>'; readonly index: number };

/** A column, computed field or column of a function's result, with steps into its json. `*` stands for all columns. */
export interface Field {
  readonly name: string;
  readonly jsonPath: readonly JsonStep[];
}

export type AggregateFunction = 'sum' | 'avg' | 'max' | 'min' | 'count';
export type JoinType = 'inner' | 'left';

/** An item of `select=`. */
export type SelectItem = SelectField | SelectRelation;

/** `alias:field::cast.aggregate()::aggregateCast`; only `count()` has the field `*`. */
export interface SelectField {
  readonly kind: 'field';
  readonly field: Field;
  readonly alias: string | null;
  readonly cast: string | null;
  readonly aggregate: AggregateFunction | null;
  readonly aggregateCast: string | null;
}

/** `alias:relation!hint!inner(...)` or `...relation!hint(...)`. */
export interface SelectRelation {
  readonly kind: 'relation';
  readonly relation: string;
  /** Null for spreads. */
  readonly alias: string | null;
  readonly hint: string | null;
  readonly join: JoinType | null;
  readonly spread: boolean;
  readonly select: readonly SelectItem[];
}

/** Names of embedded relations, or their aliases, from the outside in; empty for the top level. */
export type EmbedPath = readonly string[];

/** A part of the request that refers to one level. */
export interface AtPath<T> {
  readonly path: EmbedPath;
  readonly value: T;
}

/** Operators with one value that may also be written `op(any)` or `op(all)`. */
export const quantifiedOperators = [
  'eq',
  'gte',
  'gt',
  'lte',
  'lt',
  'like',
  'ilike',
  'match',
  'imatch',
] as const;
export type QuantifiedOperator = (typeof quantifiedOperators)[number];

/** Operators with one value, for which neither `any` nor `all` may stand. */
export const simpleOperators = ['neq', 'cs', 'cd', 'ov', 'sl', 'sr', 'nxr', 'nxl', 'adj'] as const;
export type SimpleOperator = (typeof simpleOperators)[number];

/** Operators of full-text search, which may name a language: `fts(english)`. */
export const ftsOperators = ['fts', 'plfts', 'phfts', 'wfts'] as const;
export type FtsOperator = (typeof ftsOperators)[number];

export type IsValue = 'null' | 'not_null' | 'true' | 'false' | 'unknown';

/**
 * The value of the nth plain filter of the query string: a statement made with placeholders serves all requests that
 * differ only in these values. Used only where no stage looks at the value.
 */
export interface Placeholder {
  readonly placeholder: number;
}
export type FilterValue = string | Placeholder;

export type Operation =
  | {
      readonly kind: 'quantified';
      readonly operator: QuantifiedOperator;
      readonly quantifier: 'any' | 'all' | null;
      readonly value: FilterValue;
    }
  | { readonly kind: 'simple'; readonly operator: SimpleOperator; readonly value: FilterValue }
  | { readonly kind: 'in'; readonly values: readonly string[] }
  | { readonly kind: 'is'; readonly value: IsValue }
  | { readonly kind: 'isdistinct'; readonly value: FilterValue }
  | {
      readonly kind: 'fts';
      readonly operator: FtsOperator;
      readonly language: string | null;
      readonly value: FilterValue;
    };

/** `not.` negates the operation. */
export interface OperatorExpression {
  readonly negated: boolean;
  readonly operation: Operation;
}

/** A condition on one field. */
export interface Filter {
  readonly field: Field;
  readonly expression: OperatorExpression;
}

/** `and(...)` and `or(...)`, nested. */
export type LogicTree<Leaf = Filter> =
  | {
      readonly kind: 'group';
      readonly negated: boolean;
      readonly operator: 'and' | 'or';
      readonly members: readonly LogicTree<Leaf>[];
    }
  | { readonly kind: 'leaf'; readonly leaf: Leaf };

/** A condition on an aggregate: a leaf of `having=`, an extension of the dialect. */
export interface HavingFilter {
  readonly field: Field;
  readonly aggregate: AggregateFunction;
  readonly expression: OperatorExpression;
}

export type OrderDirection = 'asc' | 'desc';
export type OrderNulls = 'nullsfirst' | 'nullslast';

/** `relation` is set for `order=relation(field).desc`: the order by a to-one embed. */
export interface OrderTerm {
  readonly relation: string | null;
  readonly field: Field;
  readonly direction: OrderDirection | null;
  readonly nulls: OrderNulls | null;
}

/**
 * The requested rows. `limit` null: all of them. Both are whole numbers; at an embedded level they may be negative,
 * which Postgres refuses.
 */
export interface RowRange {
  readonly offset: number;
  readonly limit: number | null;
}

/** `distinct`, an extension: whole rows, or the first row of each value of the columns. */
export type Distinct = { readonly kind: 'rows' } | { readonly kind: 'on'; readonly fields: readonly Field[] };

/** A parsed query string. Filters keep the order of the query string. */
export interface Query {
  /** All parameters, sorted by name and percent-encoded, as `Content-Location` shows them. */
  readonly canonical: string;
  /** Arguments of a function that is called by GET, in order; a name may occur more than once. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly select: readonly SelectItem[];
  readonly filters: readonly AtPath<Filter>[];
  readonly logic: readonly AtPath<LogicTree>[];
  readonly order: readonly AtPath<readonly OrderTerm[]>[];
  /**
   * Ranges of embedded levels; the top level's is `ApiRequest.topRange`. A negative number is left for Postgres to
   * refuse.
   */
  readonly ranges: readonly AtPath<RowRange>[];
  /** `columns=`; null: not given. */
  readonly columns: readonly string[] | null;
  /** `on_conflict=`; null: not given. */
  readonly onConflict: readonly string[] | null;
  /**
   * Names of all parameters that could be filters, with an operator or without: a function's rows are filtered by
   * these.
   */
  readonly filterNames: readonly string[];
  /** Extensions, from here on; only for reads of relations. */
  readonly having: readonly AtPath<LogicTree<HavingFilter>>[];
  readonly distinct: Distinct | null;
  /**
   * `after=`: the cursor of the last row seen, empty for the first page; null: the request does not use keyset
   * pagination.
   */
  readonly after: string | null;
}

/** The caller's action and its object. `name` is the decoded name of the path; `schema` is the negotiated one. */
export type Action =
  | { readonly kind: 'read'; readonly schema: string; readonly name: string; readonly headersOnly: boolean }
  | {
      readonly kind: 'mutate';
      readonly schema: string;
      readonly name: string;
      readonly mutation: 'insert' | 'update' | 'upsert-one' | 'delete';
    }
  | {
      readonly kind: 'call';
      readonly schema: string;
      readonly name: string;
      /** GET and HEAD call with the query's parameters, in a read-only transaction; POST calls with the body. */
      readonly method: 'get' | 'head' | 'post';
    }
  | { readonly kind: 'describe'; readonly schema: string; readonly headersOnly: boolean }
  | { readonly kind: 'relation-options'; readonly schema: string; readonly name: string }
  | { readonly kind: 'routine-options'; readonly schema: string; readonly name: string }
  | { readonly kind: 'root-options' };

/** A request's body, parsed only as far as a plan needs it; Postgres takes it apart. */
export type Payload =
  /** JSON text: an object, or an array of objects with the same keys (any keys, if `columns=` is given). */
  | { readonly kind: 'json'; readonly text: string; readonly keys: readonly string[] }
  /** `application/x-www-form-urlencoded`, decoded, in order. */
  | {
      readonly kind: 'form';
      readonly pairs: readonly (readonly [name: string, value: string])[];
      readonly keys: readonly string[];
    }
  /** The only argument of a function with a single unnamed parameter, or JSON that was not parsed. */
  | { readonly kind: 'raw'; readonly bytes: Buffer };

/** A whole request, parsed. Nothing in it has been compared with the catalog yet. */
export interface ApiRequest {
  readonly action: Action;
  readonly query: Query;
  readonly preferences: Preferences;
  readonly payload: Payload | null;
  /**
   * Columns to write, or names of the arguments: `columns=`, otherwise the payload's keys. Sorted and without
   * duplicates.
   */
  readonly columns: readonly string[];
  /** The range of the top level: limit and offset, intersected with the Range header. */
  readonly topRange: RowRange;
  readonly schema: string;
  /** `Content-Profile` of the answer: the request's own, or the schema if several are exposed; null: neither. */
  readonly profile: string | null;
  /** Accepted media types, the most wanted first. */
  readonly accept: readonly MediaType[];
  readonly contentType: MediaType;
}

/** The Prefer header (RFC 7240). Null: not stated. If a preference is stated twice, the first counts. */
export interface Preferences {
  readonly resolution: 'merge-duplicates' | 'ignore-duplicates' | null;
  readonly representation: 'full' | 'headers-only' | 'minimal' | null;
  readonly count: 'exact' | 'planned' | 'estimated' | null;
  readonly transaction: 'commit' | 'rollback' | null;
  readonly missing: 'default' | 'null' | null;
  readonly handling: 'strict' | 'lenient' | null;
  readonly timezone: string | null;
  readonly maxAffected: number | null;
  /** Unknown preferences, in their original text. */
  readonly invalid: readonly string[];
}
