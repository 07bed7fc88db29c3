/** What a chapter's file says: cases in the order of the file. */
export interface Chapter {
  /** The page of PostgREST's documentation, as its path below `references/`, e.g. `api/tables_views`. */
  readonly page: string;
  readonly cases: readonly ConformanceCase[];
}

/** One thing that the documentation promises. Independent of all others: what it writes is rolled back, or undone by itself. */
export interface ConformanceCase {
  /** Section of the page, and the spec where the page leaves the detail open. */
  readonly section: string;
  /** A sentence about behaviour, unique within its section. */
  readonly name: string;
  /** Line of the file. */
  readonly line: number;
  /** PostgREST's options by their own names, beside those of configuration.ts. */
  readonly options: ReadonlyMap<string, string>;
  readonly caller: Caller;
  /** Nearly always one. */
  readonly exchanges: readonly Exchange[];
}

/** Who asks. */
export type Caller =
  | { readonly kind: 'anonymous' }
  /** A token of these claims, signed with the suite's secret; times as `"+60"` are seconds from now. */
  | { readonly kind: 'claims'; readonly claims: Readonly<Record<string, unknown>> }
  /** The Authorization header as it is. */
  | { readonly kind: 'authorization'; readonly value: string };

/** A request and what must come back. */
export interface Exchange {
  readonly method: string;
  /** Path and query as a person writes them: what HTTP does not allow in a URL is percent-encoded on the way. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | null;
  readonly expected: Expectation;
}

/** Headers that are not named may be there or not. The body is always whole. */
export interface Expectation {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: TextMatcher])[];
  /** Headers that must not be there. */
  readonly absentHeaders: readonly string[];
  readonly body: BodyMatcher;
}

export type TextMatcher =
  | { readonly kind: 'exactly'; readonly text: string }
  | { readonly kind: 'matching'; readonly pattern: RegExp };

export type BodyMatcher =
  | { readonly kind: 'empty' }
  /** Parsed and compared deeply; the order of keys does not count. */
  | { readonly kind: 'json'; readonly value: unknown }
  | TextMatcher
  /** Of a document too long to write down, these places (JSON Pointers); undefined: nothing is there. */
  | {
      readonly kind: 'places';
      readonly places: readonly (readonly [pointer: string, value: unknown])[];
    };
