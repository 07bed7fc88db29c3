import type { RestConfig } from '../config/config.ts';
import type { RequestBudgets } from '../request-budget.ts';
import type { RestOptions } from '../rest/options.ts';

/**
 * The options that serve this project's own schema: features that PostgREST disables for safety are safe here. `url`:
 * the address of REST that clients see; null: the one that they ask.
 */
export function ownRestOptions(
  { maxRows, plans }: RestConfig,
  { budgets, url }: { readonly budgets: RequestBudgets; readonly url: string | null },
): RestOptions {
  return {
    schemas: ['app_public'],
    // supabase-js asks for `public` unless it is told otherwise.
    schemaAliases: new Map([['public', 'app_public']]),
    // Holds the vector extension's operators.
    extraSearchPath: ['public'],
    maxRows,
    aggregatesEnabled: true,
    planEnabled: plans,
    plannerCounts: false,
    preparedStatements: true,
    preRequest: null,
    rootSpec: null,
    tenantColumn: 'tenant_id',
    transactionEnd: 'commit-allow-override',
    appSettings: [],
    hoistedSettings: [
      'statement_timeout',
      'plan_filter.statement_cost_limit',
      'default_transaction_isolation',
    ],
    openapi: {
      document: { version: '3.1' },
      mode: 'follow-privileges',
      securityActive: true,
      serverProxyUri: url,
    },
    traceHeader: null,
    serverTiming: true,
    errorVerbosity: 'verbose',
    // No client relies yet on what PostgREST is about to drop.
    legacyTargetNames: false,
    marksUnstorable: true,
    budgets,
    maxBodyBytes: budgets.identified.bodyBytes,
  };
}

/** The options that serve the schema of operators, to them alone. */
export function operatorsRestOptions(
  config: RestConfig,
  address: { readonly budgets: RequestBudgets; readonly url: string | null },
): RestOptions {
  return {
    ...ownRestOptions(config, address),
    schemas: ['ops'],
    schemaAliases: new Map(),
    // Rows of every tenant are in reach, so that a key without the tenant names no row.
    tenantColumn: null,
  };
}
