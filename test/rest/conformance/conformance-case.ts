/** The contents of a chapter's file: cases in the order of the file. */
export interface Chapter {
  /** The page of PostgREST's documentation, as its path below `references/`, such as `api/tables_views`. */
  readonly page: string;
  readonly cases: readonly ConformanceCase[];
}

/**
 * A promise of the documentation. It is independent of all others: its writes are rolled back, or the case itself
 * undoes them.
 */
export interface ConformanceCase {
  /** The section of the page, and the spec where the page leaves the detail open. */
  readonly section: string;
  /** A sentence about behaviour, unique within its section. */
  readonly name: string;
  /** The line in the file. */
  readonly line: number;
  /** PostgREST's options by their own names, in addition to those of configuration.ts. */
  readonly options: ReadonlyMap<string, string>;
  readonly caller: Caller;
  /** The exchanges, nearly always one. */
  readonly exchanges: readonly Exchange[];
}

/** The caller of a request. */
export type Caller =
  | { readonly kind: 'anonymous' }
  /** A token with these claims, signed with the suite's secret; a time such as `"+60"` is in seconds from now. */
  | { readonly kind: 'claims'; readonly claims: Readonly<Record<string, unknown>> }
  /** The Authorization header, unchanged. */
  | { readonly kind: 'authorization'; readonly value: string };

/** A request, and the expected answer. */
export interface Exchange {
  readonly method: string;
  /**
   * Path and query as a person writes them: characters that HTTP does not allow in a URL are percent-encoded before
   * sending.
   */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | null;
  readonly expected: Expectation;
}

/** The expected answer. Headers that are not named may be present or not. The body is always complete. */
export interface Expectation {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: TextMatcher])[];
  /** Headers that must be absent. */
  readonly absentHeaders: readonly string[];
  readonly body: BodyMatcher;
}

export type TextMatcher =
  | { readonly kind: 'exactly'; readonly text: string }
  | { readonly kind: 'matching'; readonly pattern: RegExp };

export type BodyMatcher =
  | { readonly kind: 'empty' }
  /** A JSON body, parsed and compared deeply; the order of keys does not matter. */
  | { readonly kind: 'json'; readonly value: unknown }
  | TextMatcher
  /**
   * Selected places (JSON Pointers) of a document that is too long to write down; undefined means that the place must
   * be absent.
   */
  | {
      readonly kind: 'places';
      readonly places: readonly (readonly [pointer: string, value: unknown])[];
    };
