import { randomBytes } from 'node:crypto';
import type { Statement } from '../db/statement.ts';
import type { SchemaCache } from '../schema-cache/schema-cache.ts';
import { compile, compileParsed } from './compile.ts';
import type { PlannedRequest } from './compile.ts';
import type { RestOptions } from './options.ts';
import { BoundedMap } from '../bounded-map.ts';
import { canonicalQuery } from './request/canonical-query.ts';
import { parseRequest } from './request/parse-request.ts';
import { parsePayload } from './request/payload.ts';
import type { ApiRequest, Placeholder } from './request/query.ts';
import type { RawRequest } from './request/raw-request.ts';
import { checkFields, leastFields } from './request/request-fields.ts';
import { requestShape } from './request/shape.ts';
import type { RequestShape } from './request/shape.ts';
import { isJsonObject } from './sql/payload.ts';
import type { RequestStatements } from './sql/request-statements.ts';
import type { Stopwatch } from '../http/stopwatch.ts';

/** The most plans remembered of each kind. */
const maxPlans = 1_000;
/** The longest key that is remembered: longer requests rarely come again. */
const maxKeyLength = 4_096;
/** Takes the place of the body in remembered statements. No body can equal it. */
const bodyMark = randomBytes(12).toString('base64url');

/**
 * Compiles requests (compile.ts), and remembers the results. Reads share a plan if they differ only in the values
 * of plain filters, and JSON POSTs if they differ only in the values of the same keys: a service sends the same few
 * requests all day. Everything remembered holds for one snapshot of the catalog and one set of options, which are
 * compared by identity.
 */
export class PlanCache {
  readonly #reads = new BoundedMap<string, PlannedRequest>(maxPlans);
  /** The parsed requests of POSTs, without their bodies. */
  readonly #posts = new BoundedMap<string, ApiRequest>(maxPlans);
  readonly #postPlans = new BoundedMap<string, PlannedRequest>(maxPlans);
  #cache: SchemaCache | null = null;
  #options: RestOptions | null = null;

  /**
   * Throws RestError for a request that cannot be carried out or exceeds `maxFields` (`RequestBudget.fields`).
   * `stopwatch` gets the laps `parse` and `plan`.
   */
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
    const planned = compile(raw, cache, options, maxFields, () => stopwatch?.lap('parse'));
    stopwatch?.lap('plan');
    return planned;
  }

  /** The number of remembered plans. */
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
      known = compileParsed(request, cache, options, maxFields);
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
    if (payload?.kind !== 'json' || payload.text === '')
      return compileParsed(request, cache, options, maxFields);
    // Starts with the bracket of the body, which is all that the printer looks at.
    const mark = `${isJsonObject(payload.text) ? '{' : '['}${bodyMark}`;
    const bodyKey = `${key}${mark[0]}${JSON.stringify(columns)}`;
    let known = this.#postPlans.get(bodyKey);
    if (!known) {
      known = compileParsed({ ...request, payload: { ...payload, text: mark } }, cache, options, maxFields);
      // A body sent as bytes could not be found among the values.
      if (known.statements?.main.values?.some((value) => value instanceof Buffer)) {
        return compileParsed(request, cache, options, maxFields);
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

/**
 * Everything that the meaning of a POST depends on, except its body. The line feed separates safely, because no
 * header can hold one.
 */
function postKey({ path, query, headers }: RawRequest): string {
  const said = [headers['accept'], headers['prefer'], headers['content-type'], headers['content-profile']];
  return `${path}\n${query}\n${said.map((value) => (value === undefined ? '\n' : `=${value}\n`)).join('')}`;
}

/** The plan with the placeholders replaced by a request's own values. */
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
