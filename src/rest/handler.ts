import { TLSSocket } from 'node:tls';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { DatabaseError } from 'pg';
import { CallerLeft } from '../db/database.ts';
import type { Database, TransactionMode, TransactionSettings } from '../db/database.ts';
import { scopedTo } from '../db/scoped-database.ts';
import type { ScopedDatabase } from '../db/scoped-database.ts';
import type { Statement } from '../db/statement.ts';
import type { CorsAnswer, CrossOrigin } from '../http/cors.ts';
import { departureOf } from '../http/departure.ts';
import { newRequestId, requestIdFrom } from '../http/request-id.ts';
import type { Log } from '../log.ts';
import { namedMessage, refusedNames } from '../refused-value.ts';
import type { GivenValue } from '../refused-value.ts';
import { budgetFor } from '../request-budget.ts';
import type { RoleSettings, SchemaCache } from '../schema-cache/schema-cache.ts';
import type { Answered } from './answered.ts';
import type { PlannedRequest } from './compile.ts';
import { RestError } from './errors.ts';
import { legacyWarning } from './legacy-warning.ts';
import { describe } from './openapi/describe.ts';
import { referenceAsset, referencePrefix } from './openapi/reference-page.ts';
import type { RestOptions } from './options.ts';
import { PlanCache } from './plan-cache.ts';
import type { CallAction, DescribeAction, MutateAction, ReadAction } from './plan/plan.ts';
import { rawRequestOf } from './raw-request-of.ts';
import type { ApiRequest } from './request/query.ts';
import type { RawRequest } from './request/raw-request.ts';
import type { IdentifyRequester, Requester } from './requester.ts';
import { routeOf } from './route-of.ts';
import { answer, answerOptions } from './response/answer.ts';
import type { Outcome } from './response/answer.ts';
import { databaseError } from './response/database-error.ts';
import { errorResponse } from './response/error-response.ts';
import type { ShownError } from './response/error-response.ts';
import { givenValues } from './response/given-values.ts';
import { refusedWrite } from './response/refused-write.ts';
import type { Header, RestResponse } from './response/rest-response.ts';
import { send } from './send.ts';
import { storableRequest } from './storable-request.ts';
import { preRequestStatement, requestSettings } from './sql/settings.ts';
import { Stopwatch } from '../http/stopwatch.ts';
import { transactionMode } from './transaction-mode.ts';

/** The surroundings that the dialect runs in. */
export interface RestDependencies {
  readonly database: Database;
  /**
   * The newest snapshot, requested once per request. Null while the catalog could not be read: the answer is then
   * PGRST002.
   */
  readonly schemaCache: () => SchemaCache | null;
  readonly identify: IdentifyRequester;
  /** Finds a request's credentials, in the form of an Authorization header; undefined: it has none. */
  readonly authorizationOf: (headers: IncomingHttpHeaders) => string | undefined;
  readonly crossOrigin: CrossOrigin;
  /** Called once per request, because options may change while requests run. */
  readonly options: () => RestOptions;
  /** Path of the API's root as clients see it, without a trailing slash. Headers and documents name it. */
  readonly mountPath: string;
  /** This project's version, for the OpenAPI document. */
  readonly version: string;
  readonly log: Log;
  /** The setting that receives the request's id, which X-Request-Id also carries; null: requests have no ids. */
  readonly requestIdSetting: string | null;
  /** Further settings for this request and requester; rejects with RestError. Left out: there are none. */
  readonly furtherSettings?: (raw: RawRequest, requester: Requester) => Promise<TransactionSettings>;
  /** Whether the texts of main statements are logged. Values are never logged. */
  readonly logStatements: boolean;
  /** `Cache-Control` of answers whose function sets none. Left out: they have none, as in PostgREST. */
  readonly cacheControl?: string;
  /** Whether the root answers requests without a token. Default: it does, as in PostgREST. */
  readonly showsSchemaToAll?: boolean;
  /** Counts requests, and throws RestError for one too many. Left out: any number is answered, as in PostgREST. */
  readonly traffic?: RestTraffic;
  /** Called with every request after its answer; null: not needed. */
  readonly onAnswered: ((answered: Answered) => void) | null;
}

/** The limits on callers. */
export interface RestTraffic {
  /** Counts a request before anything of it is looked at. */
  arrive(request: IncomingMessage): void;
  /** Counts it for its requester, until the returned function is called. */
  begin(requester: Requester): () => void;
}

/** Answers requests. `target` is the URL's path and query, without the mount point. */
export type RestHandler = (request: IncomingMessage, response: ServerResponse, target: string) => void;

/** Makes the only impure part of the dialect: it reads HTTP, runs the stages, and sends the result. */
export function makeRestHandler(dependencies: RestDependencies): RestHandler {
  const plans = new PlanCache();
  return (request, response, target) => {
    void new Exchange(dependencies, plans, request, response).serve(target);
  };
}

/** One request and its answer. */
class Exchange {
  readonly #dependencies: RestDependencies;
  readonly #plans: PlanCache;
  readonly #options: RestOptions;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #requestId: string | null;
  readonly #began: number;
  /** Null: not known yet. */
  #requester: Requester | null = null;
  /** Null: the request is not counted yet. */
  #leave: (() => void) | null = null;
  /** Makes the values that the request gives; null: it has not been planned yet. */
  #given: (() => readonly GivenValue[]) | null = null;

  constructor(
    dependencies: RestDependencies,
    plans: PlanCache,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#dependencies = dependencies;
    this.#plans = plans;
    this.#options = dependencies.options();
    this.#request = request;
    this.#response = response;
    this.#requestId =
      dependencies.requestIdSetting === null ? null : requestIdFrom(request.headers['x-request-id']);
    this.#began = dependencies.onAnswered ? performance.now() : 0;
  }

  /** Answers the request. Never rejects. */
  async serve(target: string): Promise<void> {
    const { method = 'GET', headers } = this.#request;
    const cors = this.#dependencies.crossOrigin(method, headers);
    const departure = departureOf(this.#request);
    let reply: RestResponse;
    let code: string | null = null;
    try {
      reply = cors.preflight
        ? { status: 200, headers: cors.preflight, body: null }
        : await this.#reply(target, cors, departure.left);
    } catch (error) {
      if (error instanceof CallerLeft) {
        reply = unsent;
      } else {
        const shown = this.#refusal(error);
        ({ code } = shown);
        reply = errorResponse(shown, this.#options.errorVerbosity);
      }
    } finally {
      departure.end();
      this.#leave?.();
    }
    send(this.#response, reply, [...cors.headers, ...this.#traces(), ...this.#caching(reply)]);
    this.#dependencies.onAnswered?.({
      request: this.#request,
      route: this.#routeOf(target),
      status: reply.status,
      code,
      requester: this.#requester,
      requestId: this.#requestId,
      durationMs: performance.now() - this.#began,
    });
  }

  #routeOf(target: string): string | null {
    if (target.startsWith(referencePrefix)) return referencePrefix.slice(1, -1);
    const cache = this.#dependencies.schemaCache();
    const end = target.indexOf('?');
    return cache && routeOf(end === -1 ? target : target.slice(0, end), cache, this.#options.schemas);
  }

  /** One request: who asks, what it compiles to, under which settings, in one transaction, and the answer. */
  async #reply(target: string, cors: CorsAnswer, left: AbortSignal): Promise<RestResponse> {
    if (target.startsWith(referencePrefix)) {
      const asset = await referenceAsset(target.slice(referencePrefix.length));
      if (asset) return asset;
    }
    const { identify, authorizationOf, database, mountPath, traffic } = this.#dependencies;
    traffic?.arrive(this.#request);
    const options = this.#options;
    const stopwatch = options.serverTiming ? new Stopwatch() : null;

    const requester = (this.#requester = await identify(authorizationOf(this.#request.headers)));
    if (traffic) this.#leave = traffic.begin(requester);
    stopwatch?.lap('jwt');

    const cache = this.#schemaCache();
    const budget = options.budgets && budgetFor(options.budgets, requester.isAnonymous);
    const sent = await rawRequestOf(this.#request, target, budget?.bodyBytes ?? options.maxBodyBytes);
    const raw = options.marksUnstorable ? storableRequest(sent) : sent;
    const compiled = this.#plans.plan(raw, cache, options, budget?.fields ?? Infinity, stopwatch);
    const { request, plan } = compiled;
    this.#given = () => givenValues(plan, request.payload, raw.query);
    if (plan.kind === 'options') {
      const reply = answerOptions(plan);
      return finished({ ...reply, headers: [...reply.headers, ...cors.onOptions] }, stopwatch, null);
    }

    const roleSettings = cache.roleSettings.get(requester.role);
    const scoped = scopedTo(
      database.until(left),
      await this.#settings(raw, compiled, requester, roleSettings),
    );
    if (plan.kind === 'describe') {
      this.#refuseStranger(requester);
      const reply = await this.#describe(plan, request, cache, scoped);
      stopwatch?.lap('transaction');
      return finished(reply, stopwatch, null);
    }
    const mode = transactionMode(plan, request, roleSettings, options);
    const outcome = await this.#transaction(scoped, compiled, mode, budget?.answerBytes);
    stopwatch?.lap('transaction');

    return finished(answer(plan, request, outcome, options, mountPath), stopwatch, this.#warning(plan));
  }

  #schemaCache(): SchemaCache {
    const cache = this.#dependencies.schemaCache();
    if (cache) return cache;
    throw new RestError('PGRST002', 'Could not query the database for the schema cache. Retrying.');
  }

  async #settings(
    raw: RawRequest,
    { request, plan }: PlannedRequest,
    requester: Requester,
    roleSettings: RoleSettings | undefined,
  ): Promise<TransactionSettings> {
    const { furtherSettings, requestIdSetting } = this.#dependencies;
    return {
      ...requestSettings({
        raw,
        request,
        plan: plan.kind === 'describe' || plan.kind === 'options' ? null : plan,
        options: this.#options,
        requester: requester.settings,
        roleSettings,
      }),
      ...(requestIdSetting !== null && { [requestIdSetting]: this.#requestId ?? '' }),
      ...(furtherSettings && (await furtherSettings(raw, requester))),
    };
  }

  #describe(
    plan: DescribeAction,
    request: ApiRequest,
    cache: SchemaCache,
    scoped: ScopedDatabase,
  ): Promise<RestResponse> {
    const options = this.#options;
    const { mountPath, version } = this.#dependencies;
    const { headers, socket } = this.#request;
    const scheme = socket instanceof TLSSocket ? 'https' : 'http';
    return describe(plan, request, {
      scoped: afterPreRequest(scoped, options),
      cache,
      options,
      mountPath,
      origin: `${scheme}://${headers.host ?? 'localhost'}`,
      version,
    });
  }

  /** Runs the statements in one round trip. `maxBytes`: of what the main one may return. */
  async #transaction(
    scoped: ScopedDatabase,
    { plan, statements }: PlannedRequest,
    mode: TransactionMode | undefined,
    maxBytes: number | undefined,
  ): Promise<Outcome> {
    if (statements === null) throw new Error(`a plan of kind ${plan.kind} has no statements`);
    const { explainCount } = statements;
    const main = { ...statements.main, maxBytes };
    if (this.#dependencies.logStatements) this.#logStatement(main);
    const before = preRequest(this.#options);
    const results = await scoped.batch([...before, main, ...(explainCount ? [explainCount] : [])], mode);
    return {
      main: results[before.length]?.rows ?? [],
      explainCount: explainCount ? (results[before.length + 1]?.rows ?? null) : null,
    };
  }

  /** Refuses to describe the schema to a request without a token, where that is not wanted. */
  #refuseStranger({ isAnonymous }: Requester): void {
    if (!isAnonymous || this.#dependencies.showsSchemaToAll !== false) return;
    throw new RestError('PGRST126', 'Root endpoint metadata is disabled', {
      hint: 'Send a token: the schema is shown to requests with one.',
    });
  }

  #warning({ readPlan }: ReadAction | MutateAction | CallAction): string | null {
    return this.#options.legacyTargetNames ? legacyWarning(readPlan) : null;
  }

  #logStatement({ text }: Statement): void {
    this.#dependencies.log({
      level: 'info',
      event: 'rest-statement',
      message: text,
      requestId: this.#requestId,
    });
  }

  #caching({ headers }: RestResponse): Header[] {
    const { cacheControl } = this.#dependencies;
    const isSet = cacheControl === undefined || headers.some(([name]) => /^cache-control$/i.test(name));
    return isSet ? [] : [['Cache-Control', cacheControl]];
  }

  /** The request's id, and the header that the client wants repeated (PostgREST, Observability, Trace Header). */
  #traces(): Header[] {
    const traces: Header[] = [];
    if (this.#requestId !== null) traces.push(['X-Request-Id', this.#requestId]);
    const { traceHeader } = this.#options;
    if (traceHeader !== null) {
      const value = this.#request.headers[traceHeader.toLowerCase()] ?? '';
      traces.push([traceHeader, typeof value === 'string' ? value : value.join(', ')]);
    }
    return traces;
  }

  #refusal(error: unknown): ShownError {
    const shown =
      error instanceof RestError
        ? error
        : (refusedWrite(error) ??
          databaseError(error, this.#requester?.isAnonymous ?? true, this.#options.budgets !== null) ??
          this.#bug(error));
    return this.#withName(shown, error);
  }

  /** The error with the name of the value that Postgres refused, which Postgres does not say. */
  #withName(shown: ShownError, error: unknown): ShownError {
    if (!this.#options.marksUnstorable || !this.#given || shown instanceof RestError) return shown;
    if (!(error instanceof DatabaseError)) return shown;
    return { ...shown, message: namedMessage(shown.message, refusedNames(error, this.#given())) };
  }

  /** Logs an unexpected error; the client gets the id that the log has it under. */
  #bug(error: unknown): RestError {
    const requestId = this.#requestId ?? newRequestId();
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
    this.#dependencies.log({ level: 'error', event: 'internal-error', message, requestId, stack });
    return new RestError('PGRSTX00', `something broke on our side; the log has it under ${requestId}`, {
      cause: error,
    });
  }
}

/** The answer to a client that left: nothing is sent, and logs and metrics count it under nginx's status for it. */
const unsent: RestResponse = { status: 499, headers: [], body: null };

/** Adds the headers that every successful answer has. */
function finished(reply: RestResponse, stopwatch: Stopwatch | null, warning: string | null): RestResponse {
  const headers: Header[] = [...reply.headers];
  if (stopwatch) {
    stopwatch.lap('response');
    headers.push(['Server-Timing', stopwatch.header]);
  }
  if (warning !== null) headers.push(['Warning', warning]);
  if (!headers.some(([name]) => name.toLowerCase() === 'vary'))
    headers.push(['Vary', 'Accept, Prefer, Range']);
  return { ...reply, headers };
}

/**
 * The call of the function that runs before every request (PostgREST, Transactions, Pre-Request); empty if there is
 * none.
 */
function preRequest(options: RestOptions): Statement[] {
  return options.preRequest === null ? [] : [preRequestStatement(options.preRequest, options)];
}

/** Makes the pre-request function run before each statement, in the statement's transaction and round trip. */
function afterPreRequest(scoped: ScopedDatabase, options: RestOptions): ScopedDatabase {
  const first = preRequest(options);
  if (first.length === 0) return scoped;
  return {
    ...scoped,
    query: async <Row>(statement: Statement) => {
      const results = await scoped.batch([...first, statement]);
      const result = results.at(-1);
      if (!result) throw new Error('a batch returned no results');
      return { rows: result.rows as Row[], rowCount: result.rowCount };
    },
  };
}
