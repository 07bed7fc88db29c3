import type { Statement } from '../db/statement.ts';
import type { SchemaCache } from '../schema-cache/schema-cache.ts';
import type { RestOptions } from './options.ts';
import { planRequest } from './plan/plan-request.ts';
import type { Plan } from './plan/plan.ts';
import { canonicalQuery } from './request/canonical-query.ts';
import { parseRequest } from './request/parse-request.ts';
import type { ApiRequest, Placeholder } from './request/query.ts';
import type { RawRequest } from './request/raw-request.ts';
import { requestShape } from './request/shape.ts';
import { requestStatements } from './sql/print-plan.ts';
import type { RequestStatements } from './sql/request-statements.ts';
import type { Stopwatch } from './stopwatch.ts';

/** A request, what it amounts to, and what is to be run for it. */
export interface PlannedRequest {
  readonly request: ApiRequest;
  readonly plan: Plan;
  /** Null: the plan has no statements. */
  readonly statements: RequestStatements | null;
}

/** Plans remembered; the one unused for longest goes first. */
const maxPlans = 1_000;
/** Longer requests hardly come again. */
const maxKeyLength = 4_096;

/**
 * Parses, plans and prints requests, and remembers the result of reads: those that differ in nothing but the values of
 * plain filters have one plan, and a service asks the same few questions all day. What is remembered holds for one
 * snapshot of the catalog and one set of options, both told apart by identity.
 */
export class PlanCache {
  readonly #plans = new Map<string, PlannedRequest>();
  #cache: SchemaCache | null = null;
  #options: RestOptions | null = null;

  /** Throws RestError for what cannot be done. `stopwatch` gets the laps `parse` and `plan`. */
  plan(
    raw: RawRequest,
    cache: SchemaCache,
    options: RestOptions,
    stopwatch: Stopwatch | null,
  ): PlannedRequest {
    this.#forgetOthers(cache, options);
    const shape = requestShape(raw);
    const known = shape && this.#plans.get(shape.key);
    if (known) {
      // It is the newest now.
      this.#plans.delete(shape.key);
      this.#plans.set(shape.key, known);
      const planned = withValues(known, shape.values, raw);
      stopwatch?.lap('parse');
      stopwatch?.lap('plan');
      return planned;
    }
    const request = parseRequest(raw, options, { placeholders: shape !== null });
    stopwatch?.lap('parse');
    const plan = planRequest(request, cache, options);
    const hasStatements = plan.kind !== 'describe' && plan.kind !== 'options';
    const statements = hasStatements ? requestStatements(plan, request, options) : null;
    stopwatch?.lap('plan');
    const planned = { request, plan, statements };
    if (!shape) return planned;
    if (shape.key.length <= maxKeyLength) this.#remember(shape.key, planned);
    return withValues(planned, shape.values, raw);
  }

  /** How many plans are remembered. */
  get size(): number {
    return this.#plans.size;
  }

  #remember(key: string, planned: PlannedRequest): void {
    if (this.#plans.size >= maxPlans) {
      const oldest = this.#plans.keys().next();
      if (!oldest.done) this.#plans.delete(oldest.value);
    }
    this.#plans.set(key, planned);
  }

  #forgetOthers(cache: SchemaCache, options: RestOptions): void {
    if (cache === this.#cache && options === this.#options) return;
    this.#plans.clear();
    this.#cache = cache;
    this.#options = options;
  }
}

/** The plan with a request's own values in the place of placeholders. */
function withValues(
  planned: PlannedRequest,
  values: readonly string[],
  { query }: RawRequest,
): PlannedRequest {
  if (values.length === 0 || planned.statements === null) return planned;
  const { request, plan, statements } = planned;
  return {
    request: { ...request, query: { ...request.query, canonical: canonicalQuery(query) } },
    plan,
    statements: {
      main: filled(statements.main, values),
      explainCount: statements.explainCount && filled(statements.explainCount, values),
    },
  };
}

function filled(statement: Statement, values: readonly string[]): Statement {
  return {
    ...statement,
    values: statement.values?.map((value) => (isPlaceholder(value) ? values[value.placeholder] : value)),
  };
}

function isPlaceholder(value: unknown): value is Placeholder {
  return typeof value === 'object' && value !== null && 'placeholder' in value;
}
