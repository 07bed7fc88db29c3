import type { RestConfig } from '../config/config.ts';
import type { RequestBudgets } from '../request-budget.ts';
import type { RestOptions } from '../rest/options.ts';

/** The options that serve this project's own schema: features that PostgREST disables for safety are safe here. */
export function ownRestOptions(
  { maxRows, plans }: RestConfig,
  { budgets }: { readonly budgets: RequestBudgets },
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
    transactionEnd: 'commit-allow-override',
    appSettings: [],
    hoistedSettings: [
      'statement_timeout',
      'plan_filter.statement_cost_limit',
      'default_transaction_isolation',
    ],
    openapi: { mode: 'follow-privileges', securityActive: true, serverProxyUri: null },
    traceHeader: null,
    serverTiming: true,
    errorVerbosity: 'verbose',
    // No client relies yet on what PostgREST is about to drop.
    legacyTargetNames: false,
    budgets,
    maxBodyBytes: budgets.identified.bodyBytes,
  };
}
