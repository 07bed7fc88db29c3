import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { MediaHandler } from '../../schema-cache/media-handler.ts';
import type { Relationship } from '../../schema-cache/relationship.ts';
import type { Parameter, Routine } from '../../schema-cache/routine.ts';
import type { MediaType } from '../request/media-type.ts';
import type {
  AggregateFunction,
  Distinct,
  Field,
  HavingFilter,
  JoinType,
  JsonStep,
  LogicTree,
  OperatorExpression,
  OrderDirection,
  OrderNulls,
  RowRange,
} from '../request/query.ts';

// Plans are data: what to read or write, with every name looked up. src/rest/sql/ prints them.

/**
 * The relation that the rows of a write or a call come from. It is the top level's `from`, with an empty schema; the
 * alias is the table's name. A table's name always has a schema, so no table can be mistaken for it.
 */
export const sourceName = 'lightning_source';

/** A field with what the catalog knows about it. */
export interface ResolvedField {
  readonly name: string;
  readonly jsonPath: readonly JsonStep[];
  /** The declared type is not known to be json or jsonb: json steps need `to_jsonb` first. */
  readonly toJson: boolean;
  /** Wrap it in `to_tsvector`, for full text search on a column that is not a tsvector. */
  readonly toTsVector: { readonly language: string | null } | null;
  /** Nominal type; empty: unknown (computed fields, functions' results). */
  readonly type: string;
  /** The base type of a domain; otherwise the type itself. */
  readonly baseType: string;
  /** The function of a data representation to apply, as quoted SQL. */
  readonly transform: string | null;
  readonly defaultExpression: string | null;
  /** The field stands for the whole row (`count()` in a spread). */
  readonly fullRow: boolean;
}

export interface PlannedSelect {
  readonly field: ResolvedField;
  readonly aggregate: AggregateFunction | null;
  readonly aggregateCast: string | null;
  readonly cast: string | null;
  readonly alias: string | null;
}

/** A condition on a field, or on whether an embed found nothing (`relation=is.null`). */
export type PlannedFilter =
  | { readonly kind: 'field'; readonly field: ResolvedField; readonly expression: OperatorExpression }
  | {
      readonly kind: 'null-embed';
      readonly negated: boolean;
      readonly aggregateAlias: string;
      /** Whether its rows are joined as one array. */
      readonly isArray: boolean;
    };

export type PlannedLogic = LogicTree<PlannedFilter>;

export type PlannedOrder =
  | {
      readonly kind: 'field';
      readonly field: ResolvedField;
      readonly direction: OrderDirection | null;
      readonly nulls: OrderNulls | null;
    }
  | {
      readonly kind: 'relation';
      /** Alias of the embed's lateral join. */
      readonly relation: string;
      readonly field: Field;
      readonly direction: OrderDirection | null;
      readonly nulls: OrderNulls | null;
    };

/** `left` equals `right`; the schema of a name is empty where the name is an alias. */
export interface JoinCondition {
  readonly left: { readonly relation: QualifiedName; readonly column: string };
  readonly right: { readonly relation: QualifiedName; readonly column: string };
}

/** An embed's part of the select list of the level above. */
export type RelationSelect =
  | {
      readonly kind: 'json';
      readonly name: string;
      readonly aggregateAlias: string;
      readonly mode: 'object' | 'array';
      /** Nothing is selected from it: it only filters. */
      readonly empty: boolean;
    }
  | {
      readonly kind: 'spread';
      readonly aggregateAlias: string;
      readonly select: readonly SpreadSelect[];
    };

export interface SpreadSelect {
  readonly name: string;
  readonly aggregate: AggregateFunction | null;
  readonly aggregateCast: string | null;
  readonly alias: string | null;
}

export type Spread =
  | { readonly kind: 'to-one' }
  | {
      readonly kind: 'to-many';
      /** Columns that the order needs and the select list lacks, with their new aliases. */
      readonly extraSelect: readonly { readonly alias: string | null; readonly select: PlannedSelect }[];
      readonly order: readonly PlannedOrder[];
    };

/** One level of a read: a relation, what is selected from it, and its embeds. */
export interface ReadPlan {
  readonly select: readonly PlannedSelect[];
  readonly from: QualifiedName;
  readonly fromAlias: string | null;
  readonly where: readonly PlannedLogic[];
  readonly order: readonly PlannedOrder[];
  readonly range: RowRange;
  readonly distinct: Distinct | null;
  readonly having: readonly LogicTree<PlannedHaving>[];
  /** The name in the request. */
  readonly name: string;
  readonly alias: string | null;
  /** Alias of the lateral join at the level above. */
  readonly aggregateAlias: string;
  readonly hint: string | null;
  readonly join: JoinType | null;
  readonly relationship: Relationship | null;
  /** For a computed relationship, the table (or its alias) whose row the function gets. */
  readonly computedArgument: QualifiedName | null;
  readonly joinConditions: readonly JoinCondition[];
  readonly spread: Spread | null;
  readonly relationSelects: readonly RelationSelect[];
  /** 0 at the top. */
  readonly depth: number;
  /** The embed has an alias but was referred to by its relation's name. */
  readonly legacyTargetName: boolean;
  readonly embeds: readonly ReadPlan[];
}

export interface PlannedHaving {
  readonly field: ResolvedField;
  readonly aggregate: HavingFilter['aggregate'];
  readonly expression: OperatorExpression;
}

/** Keyset pagination: rows after the cursor, in an order that the primary key makes total. */
export interface Keyset {
  readonly terms: readonly {
    readonly field: ResolvedField;
    readonly direction: OrderDirection;
    readonly nulls: OrderNulls;
    readonly nullable: boolean;
  }[];
  /** The last row's values as text, one per term; null: the first page. */
  readonly after: readonly (string | null)[] | null;
}

export type MutatePlan =
  | {
      readonly kind: 'insert';
      readonly into: QualifiedName;
      readonly columns: readonly ResolvedField[];
      /** JSON text; null: no body. */
      readonly body: string | null;
      readonly onConflict: {
        readonly resolution: 'merge-duplicates' | 'ignore-duplicates';
        readonly columns: readonly string[];
      } | null;
      /** For PUT: conditions of the query string, which the row must match. */
      readonly where: readonly PlannedLogic[];
      readonly returning: readonly string[];
      readonly primaryKey: readonly string[];
      /** Set by `missing=default`. */
      readonly applyDefaults: boolean;
    }
  | {
      readonly kind: 'update';
      readonly into: QualifiedName;
      readonly columns: readonly ResolvedField[];
      readonly body: string | null;
      readonly where: readonly PlannedLogic[];
      readonly returning: readonly string[];
      readonly applyDefaults: boolean;
    }
  | {
      readonly kind: 'delete';
      readonly from: QualifiedName;
      readonly where: readonly PlannedLogic[];
      readonly returning: readonly string[];
    };

/** An argument from the query string or a form; several values for a variadic parameter. */
export type ArgumentValue = string | readonly string[];

export interface CallPlan {
  readonly routine: Routine;
  readonly parameters:
    | { readonly kind: 'named'; readonly parameters: readonly Parameter[] }
    | { readonly kind: 'single-unnamed'; readonly parameter: Parameter };
  readonly arguments:
    | { readonly kind: 'direct'; readonly values: ReadonlyMap<string, ArgumentValue> }
    /** The body: text for json, bytes for a raw body; null: none. */
    | { readonly kind: 'body'; readonly body: string | Buffer | null };
  /** Columns of the result that filters, order and select refer to. */
  readonly returning: readonly string[];
}

/** A request with every name looked up: the work to do, and the form of the answer. */
export type Plan = ReadAction | MutateAction | CallAction | DescribeAction | OptionsAction;

interface Answered {
  readonly relation: QualifiedName;
  readonly readPlan: ReadPlan;
  readonly handler: MediaHandler;
  readonly mediaType: MediaType;
}

export interface ReadAction extends Answered {
  readonly kind: 'read';
  readonly headersOnly: boolean;
  readonly keyset: Keyset | null;
}

export interface MutateAction extends Answered {
  readonly kind: 'mutate';
  readonly mutation: 'insert' | 'update' | 'upsert-one' | 'delete';
  readonly mutatePlan: MutatePlan;
}

export interface CallAction extends Answered {
  readonly kind: 'call';
  readonly method: 'get' | 'head' | 'post';
  readonly callPlan: CallPlan;
  readonly readOnly: boolean;
}

export interface DescribeAction {
  readonly kind: 'describe';
  readonly schema: string;
  readonly headersOnly: boolean;
  readonly format: 'openapi' | 'html';
}

/** `allow` is the header's value. */
export interface OptionsAction {
  readonly kind: 'options';
  readonly allow: string;
}
