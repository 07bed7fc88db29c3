import type { RequestBudgets } from '../request-budget.ts';
import type { QualifiedName } from '../schema-cache/identifier.ts';

/**
 * The behaviour of the dialect. The names are PostgREST's options without their prefix. src/rest/ knows nothing else
 * about where it runs.
 */
export interface RestOptions {
  /** Exposed schemas; the first is the default. Never empty. */
  readonly schemas: readonly string[];
  /** Other names that clients may use for exposed schemas in profiles, mapped to the schema. */
  readonly schemaAliases: ReadonlyMap<string, string>;
  /** Further schemas of the `search_path`. */
  readonly extraSearchPath: readonly string[];
  /** Most rows of any read, at every level; null: no limit. */
  readonly maxRows: number | null;
  readonly aggregatesEnabled: boolean;
  /** Whether `application/vnd.pgrst.plan` is available. */
  readonly planEnabled: boolean;
  /**
   * Whether `count=planned` and `count=estimated` may return the planner's estimate. Its statistics cover all rows,
   * including those that the requester may not see. So the estimate for a value that only others have reveals how
   * often they have it. If false, every count is exact.
   */
  readonly plannerCounts: boolean;
  readonly preparedStatements: boolean;
  /** Called before every request, under the request's role and settings. */
  readonly preRequest: QualifiedName | null;
  /**
   * The function that answers at the root in place of the OpenAPI document; an empty schema means the default schema.
   */
  readonly rootSpec: QualifiedName | null;
  /**
   * The column that row-level security holds to one value in every row that a requester reaches, so that a unique key
   * may be named without it; null: there is none, as in PostgREST.
   */
  readonly tenantColumn: string | null;
  readonly transactionEnd: 'commit' | 'commit-allow-override' | 'rollback' | 'rollback-allow-override';
  /** `app.settings.*`, which are set for every request. */
  readonly appSettings: readonly (readonly [name: string, value: string])[];
  /** Settings of functions and roles that hold for the whole transaction. */
  readonly hoistedSettings: readonly string[];
  readonly openapi: OpenApiOptions;
  /** A request header that the answer repeats unchanged; null: none. */
  readonly traceHeader: string | null;
  readonly serverTiming: boolean;
  readonly errorVerbosity: 'verbose' | 'minimal';
  /** Whether filters on an aliased embed may name its relation instead of the alias. */
  readonly legacyTargetNames: boolean;
  /**
   * Whether U+FFFD takes the place of what Postgres cannot store (storable-request.ts), and the message of a value that Postgres refuses
   * begins with its name (refused-value.ts). PostgREST refuses both, in Postgres's words.
   */
  readonly marksUnstorable: boolean;
  /** Limits on what a request may cost; null: no limits, as in PostgREST. */
  readonly budgets: RequestBudgets | null;
  /** Most bytes of a body, in force where `budgets` is null. PostgREST has no such limit. */
  readonly maxBodyBytes: number;
}

export interface OpenApiOptions {
  readonly document: OpenApiVersion;
  readonly mode: 'follow-privileges' | 'ignore-privileges' | 'disabled';
  readonly securityActive: boolean;
  /** The address that clients see, if it differs from the one that the request came to. */
  readonly serverProxyUri: string | null;
}

/**
 * The version of the document at the root: 3.1 is our own, and 2.0 is PostgREST's, which says where the server is
 * configured to listen. `host` may be one of PostgREST's names for every address; port 0 is any free port.
 */
export type OpenApiVersion =
  | { readonly version: '3.1' }
  | { readonly version: '2.0'; readonly listensAt: { readonly host: string; readonly port: number } };
