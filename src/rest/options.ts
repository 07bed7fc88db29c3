import type { RequestBudgets } from '../request-budget.ts';
import type { QualifiedName } from '../schema-cache/identifier.ts';

/**
 * How the dialect behaves. The names are PostgREST's configuration without its prefix; src/rest/ knows nothing else of
 * where it runs.
 */
export interface RestOptions {
  /** Exposed schemas; the first is the default. Never empty. */
  readonly schemas: readonly string[];
  /** What clients may call exposed schemas besides, in profiles: the other name, and the schema. */
  readonly schemaAliases: ReadonlyMap<string, string>;
  /** Further schemas of the `search_path`. */
  readonly extraSearchPath: readonly string[];
  /** Of any read, on every level; null: no limit. */
  readonly maxRows: number | null;
  readonly aggregatesEnabled: boolean;
  /** Whether `application/vnd.pgrst.plan` is answered. */
  readonly planEnabled: boolean;
  /**
   * Whether `count=planned` and `count=estimated` may say what the planner expects. Its statistics are of all rows, whoever
   * may see them, so for a value that only others have it says how often they have it. When false every count is exact.
   */
  readonly plannerCounts: boolean;
  readonly preparedStatements: boolean;
  /** Called before every request, under its role and settings. */
  readonly preRequest: QualifiedName | null;
  /** The function that answers at the root instead of the OpenAPI document; an empty schema is the default schema. */
  readonly rootSpec: QualifiedName | null;
  readonly transactionEnd: 'commit' | 'commit-allow-override' | 'rollback' | 'rollback-allow-override';
  /** `app.settings.*`: set for every request. */
  readonly appSettings: readonly (readonly [name: string, value: string])[];
  /** Settings of functions and roles that hold for the whole transaction. */
  readonly hoistedSettings: readonly string[];
  readonly openapi: OpenApiOptions;
  /** A request header that is given back as it came; null: none. */
  readonly traceHeader: string | null;
  readonly serverTiming: boolean;
  readonly errorVerbosity: 'verbose' | 'minimal';
  /** Whether filters on an aliased embed may name the relation instead of the alias. */
  readonly legacyTargetNames: boolean;
  /** What a request may cost; null: PostgREST has no such limits. */
  readonly budgets: RequestBudgets | null;
  /** Bytes of the largest body, where there are no budgets. PostgREST has no such limit. */
  readonly maxBodyBytes: number;
}

export interface OpenApiOptions {
  readonly mode: 'follow-privileges' | 'ignore-privileges' | 'disabled';
  readonly securityActive: boolean;
  /** The address that clients see, when it is not the one that they asked at. */
  readonly serverProxyUri: string | null;
}
