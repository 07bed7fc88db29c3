import { randomBytes } from 'node:crypto';
import type { Statement } from '../db/statement.ts';
import type { SchemaCache } from '../schema-cache/schema-cache.ts';
import type { RestOptions } from './options.ts';
import { planRequest } from './plan/plan-request.ts';
import type { Plan } from './plan/plan.ts';
import { BoundedMap } from '../bounded-map.ts';
import { canonicalQuery } from './request/canonical-query.ts';
import { parseRequest } from './request/parse-request.ts';
import { parsePayload } from './request/payload.ts';
import type { ApiRequest, Placeholder } from './request/query.ts';
import type { RawRequest } from './request/raw-request.ts';
import { checkFields, leastFields, requestFields } from './request/request-fields.ts';
import { requestShape } from './request/shape.ts';
import type { RequestShape } from './request/shape.ts';
import { isJsonObject } from './sql/payload.ts';
import { requestStatements } from './sql/print-plan.ts';
import type { RequestStatements } from './sql/request-statements.ts';
import type { Stopwatch } from '../http/stopwatch.ts';

/** A request, what it amounts to, and what is to be run for it. */
export interface PlannedRequest {
  readonly request: ApiRequest;
  readonly plan: Plan;
  /** Null: the plan has no statements. */
  readonly statements: RequestStatements | null;
  /** As `RequestBudget.fields`. */
  readonly fields: number;
}

/** Plans remembered of each kind. */
const maxPlans = 1_000;
/** Longer requests hardly come again. */
const maxKeyLength = 4_096;
/** Stands for the body in remembered statements. No body can be it. */
const bodyMark = randomBytes(12).toString('base64url');

/**
 * Parses, plans and prints requests, and remembers what came of it: of reads that differ in nothing but the values of
 * plain filters, and of POSTs of JSON that differ in nothing but the values of the same keys. A service asks the same few
 * things all day. What is remembered holds for one snapshot of the catalog and one set of options, told apart by identity.
 */
export class PlanCache {
  readonly #reads = new BoundedMap<string, PlannedRequest>(maxPlans);
  /** What POSTs say besides their bodies. */
  readonly #posts = new BoundedMap<string, ApiRequest>(maxPlans);
  readonly #postPlans = new BoundedMap<string, PlannedRequest>(maxPlans);
  #cache: SchemaCache | null = null;
  #options: RestOptions | null = null;

  /** Throws RestError for what cannot be done, and for more than `maxFields` (`RequestBudget.fields`). `stopwatch` gets the laps `parse` and `plan`. */
  plan(
    raw: RawRequest,
    cache: SchemaCache,
    options: RestOptions,
    maxFields: number,
    stopwatch: Stopwatch | null,
  ): PlannedRequest {
    if (cache !== this.#cache || options !== this.#options) this.#forget(cache, options);
    checkFields(leastFields(raw), maxFields);
    if (raw.method === 'POST') return this.#planPost(raw, cache, options, maxFields, stopwatch);
    const shape = requestShape(raw);
    if (shape && shape.key.length <= maxKeyLength) {
      return this.#planRead(shape, raw, cache, options, maxFields, stopwatch);
    }
    const request = parseRequest(raw, options, { placeholders: false, maxKeys: maxFields });
    stopwatch?.lap('parse');
    const planned = compile(request, cache, options, maxFields);
    stopwatch?.lap('plan');
    return planned;
  }

  /** How many plans are remembered. */
  get size(): number {
    return this.#reads.size + this.#postPlans.size;
  }

  #planRead(
    { key, values }: RequestShape,
    raw: RawRequest,
    cache: SchemaCache,
    options: RestOptions,
    maxFields: number,
    stopwatch: Stopwatch | null,
  ): PlannedRequest {
    let known = this.#reads.get(key);
    if (known) {
      stopwatch?.lap('parse');
    } else {
      const request = parseRequest(raw, options, { placeholders: true, maxKeys: maxFields });
      stopwatch?.lap('parse');
      known = compile(request, cache, options, maxFields);
      this.#reads.set(key, known);
    }
    checkFields(known.fields, maxFields);
    const filled = values.length === 0 ? known : withValues(known, values, raw.query);
    stopwatch?.lap('plan');
    return filled;
  }

  #planPost(
    raw: RawRequest,
    cache: SchemaCache,
    options: RestOptions,
    maxFields: number,
    stopwatch: Stopwatch | null,
  ): PlannedRequest {
    const key = postKey(raw);
    let request = this.#posts.get(key);
    if (request) {
      const { payload, columns } = parsePayload(
        raw.body,
        request.contentType,
        request.action,
        request.query,
        maxFields,
      );
      request = { ...request, payload, columns };
    } else {
      request = parseRequest(raw, options, { placeholders: false, maxKeys: maxFields });
      if (key.length <= maxKeyLength) this.#posts.set(key, { ...request, payload: null });
    }
    stopwatch?.lap('parse');
    const planned = this.#planBody(key, request, cache, options, maxFields);
    stopwatch?.lap('plan');
    return planned;
  }

  #planBody(
    key: string,
    request: ApiRequest,
    cache: SchemaCache,
    options: RestOptions,
    maxFields: number,
  ): PlannedRequest {
    const { payload, columns } = request;
    if (payload?.kind !== 'json' || payload.text === '') return compile(request, cache, options, maxFields);
    // All that the printer looks at of a body.
    const mark = `${isJsonObject(payload.text) ? '{' : '['}${bodyMark}`;
    const bodyKey = `${key}${mark[0]}${JSON.stringify(columns)}`;
    let known = this.#postPlans.get(bodyKey);
    if (!known) {
      known = compile({ ...request, payload: { ...payload, text: mark } }, cache, options, maxFields);
      // A body that goes as bytes is not to be found among the values.
      if (known.statements?.main.values?.some((value) => value instanceof Buffer)) {
        return compile(request, cache, options, maxFields);
      }
      if (bodyKey.length <= maxKeyLength) this.#postPlans.set(bodyKey, known);
    }
    checkFields(known.fields, maxFields);
    const { plan, statements, fields } = known;
    const { text } = payload;
    return {
      request,
      fields,
      plan,
      statements: statements && mapValues(statements, (value) => (value === mark ? text : value)),
    };
  }

  #forget(cache: SchemaCache, options: RestOptions): void {
    for (const map of [this.#reads, this.#posts, this.#postPlans]) map.clear();
    this.#cache = cache;
    this.#options = options;
  }
}

function compile(
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

/** All that the meaning of a POST depends on, but for its body. A header cannot hold a line feed, nor be one. */
function postKey({ path, query, headers }: RawRequest): string {
  const said = [headers['accept'], headers['prefer'], headers['content-type'], headers['content-profile']];
  return `${path}\n${query}\n${said.map((value) => (value === undefined ? '\n' : `=${value}\n`)).join('')}`;
}

/** The plan with a request's own values in the place of placeholders. */
function withValues(
  { request, plan, statements, fields }: PlannedRequest,
  values: readonly string[],
  query: string,
): PlannedRequest {
  return {
    request: { ...request, query: { ...request.query, canonical: canonicalQuery(query) } },
    plan,
    fields,
    statements:
      statements &&
      mapValues(statements, (value) => (isPlaceholder(value) ? values[value.placeholder] : value)),
  };
}

function mapValues(
  { main, explainCount }: RequestStatements,
  change: (value: unknown) => unknown,
): RequestStatements {
  const changed = (statement: Statement): Statement => ({
    ...statement,
    values: statement.values?.map(change),
  });
  return { main: changed(main), explainCount: explainCount && changed(explainCount) };
}

function isPlaceholder(value: unknown): value is Placeholder {
  return typeof value === 'object' && value !== null && 'placeholder' in value;
}
