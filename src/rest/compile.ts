import type { SchemaCache } from '../schema-cache/schema-cache.ts';
import type { RestOptions } from './options.ts';
import { planRequest } from './plan/plan-request.ts';
import type { Plan } from './plan/plan.ts';
import { parseRequest } from './request/parse-request.ts';
import type { ApiRequest } from './request/query.ts';
import type { RawRequest } from './request/raw-request.ts';
import { checkFields, requestFields } from './request/request-fields.ts';
import { requestStatements } from './sql/print-plan.ts';
import type { RequestStatements } from './sql/request-statements.ts';

/** A request with its plan and the statements to run. */
export interface PlannedRequest {
  readonly request: ApiRequest;
  readonly plan: Plan;
  /** Null: the plan has no statements. */
  readonly statements: RequestStatements | null;
  /** Counted as in `RequestBudget.fields`. */
  readonly fields: number;
}

/**
 * The pure half of a request, text in and statements out: it is parsed (request/), planned against the catalog (plan/) and printed as
 * SQL (sql/). Nothing is sent and nothing remembered. Throws RestError for a request that cannot be carried out or exceeds `maxFields`
 * (`RequestBudget.fields`). Calls `onParsed` between the first two steps.
 */
export function compile(
  raw: RawRequest,
  cache: SchemaCache,
  options: RestOptions,
  maxFields: number,
  onParsed: () => void = () => {},
): PlannedRequest {
  const request = parseRequest(raw, options, { placeholders: false, maxKeys: maxFields });
  onParsed();
  return compileParsed(request, cache, options, maxFields);
}

/** The same for a request that was parsed already. */
export function compileParsed(
  request: ApiRequest,
  cache: SchemaCache,
  options: RestOptions,
  maxFields: number,
): PlannedRequest {
  const fields = requestFields(request);
  checkFields(fields, maxFields);
  const plan = planRequest(request, cache, options);
  const hasStatements = plan.kind !== 'describe' && plan.kind !== 'options';
  return {
    request,
    plan,
    statements: hasStatements ? requestStatements(plan, request, options) : null,
    fields,
  };
}
