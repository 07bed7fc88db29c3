import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import express from 'express';
import type { Express, RequestHandler } from 'express';
import { makeAuthenticate } from '../auth/authenticate.ts';
import { identifyByClaims } from './rest-identity.ts';
import type { VerifyToken } from '../auth/jwt.ts';
import { isSessionToken, makeVerifySession } from '../auth/session-token.ts';
import { watchSuspendedTenants } from '../auth/suspended-tenants.ts';
import { watchSessions } from '../auth/watch-sessions.ts';
import type { Database } from '../db/database.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import { searchCallSettings } from './rest-search-settings.ts';
import { makeGraphqlEngine } from '../graphql/engine.ts';
import { graphiql } from '../graphql/graphiql.ts';
import { graphqlHandler } from '../graphql/http-handler.ts';
import { makeGraphqlWebsockets } from '../graphql/websocket.ts';
import { authenticated } from '../http/authenticate.ts';
import { authorizationOf } from '../http/credentials.ts';
import { makeCorsPolicy, withCors } from '../http/cors.ts';
import type { CorsPolicy } from '../http/cors.ts';
import { errorHandler, notFound } from './error-handler.ts';
import { healthz, readyz } from './health.ts';
import type { Readiness } from './health.ts';
import { methods } from '../http/methods.ts';
import { newRequestId, requestId } from '../http/request-id.ts';
import { hasHost, withHost, withOriginForm } from '../http/request-target.ts';
import { answerUnreadable } from '../http/unreadable-request.ts';
import { refuseUpgrade, takeUpgrades } from '../http/upgrades.ts';
import { makeEventStreams } from '../live/events-handler.ts';
import { LiveChanges } from '../live/live-changes.ts';
import { makePositionSeal } from '../live/sealed-position.ts';
import type { Log } from '../log.ts';
import { stackOfBug } from '../operational-error.ts';
import { unreadableAnswer } from '../rest/response/unreadable-answer.ts';
import type { PageSizes, RequestBudgets } from '../request-budget.ts';
import { makeRestHandler } from '../rest/handler.ts';
import { ownRestOptions } from './rest-options.ts';
import type { RestConfig } from '../config/config.ts';
import { insteadOf, makeRealtimeRefusals, supabaseServices } from '../rest/supabase-services.ts';
import { nameKey } from '../schema-cache/identifier.ts';
import { SchemaCacheWatcher } from '../schema-cache/watch.ts';
import { version } from '../version.ts';

/** The parts of the API. The caller closes the database, after the app. */
export interface AppDependencies {
  readonly database: Database;
  readonly verifyToken: VerifyToken;
  /** The same in all processes: the key that seals the ids of events is derived from it. */
  readonly secret: string;
  readonly rolePrefix: string;
  readonly budgets: RequestBudgets;
  /** Page sizes of GraphQL's lists. */
  readonly pages: PageSizes;
  /** Origins whose pages may use the API; null: every origin. */
  readonly corsOrigins: readonly string[] | null;
  readonly rest: RestConfig;
  /** Makes embeddings for search_knowledge_text; null: that function is refused. */
  readonly embed: Embed | null;
  /** Called for each `/readyz`. */
  readonly isReady: () => Promise<Readiness>;
  /** Gets the full errors that clients do not see, with the request id that clients see instead. */
  readonly log: Log;
}

/** The API over HTTP and WebSockets. It serves once it is attached to a server. */
export interface App {
  /** Serves requests and WebSocket upgrades of the server. */
  attach(server: Server): void;
  /**
   * Stops watching the catalog, ends subscriptions and WebSockets (1001). Call it once no new connection is accepted;
   * a second call does nothing.
   */
  close(): Promise<void>;
}

/** The path of REST: PostgREST's clients append it to the address that they are given. */
const restPath = '/rest/v1';

/** Builds the API on a migrated database: introspects it, and starts to listen for suspended tenants. */
export async function makeApp(dependencies: AppDependencies): Promise<App> {
  const { database, verifyToken, rolePrefix, budgets, embed, isReady, log } = dependencies;
  const cors = makeCorsPolicy(dependencies.corsOrigins);
  const restOptions = ownRestOptions(dependencies.rest, dependencies);
  const onInternalError = (error: unknown, id: string): void => {
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
    log({ level: 'error', event: 'internal-error', message, requestId: id, stack });
  };
  const onFailure = (event: string) => (error: unknown) =>
    log({ level: 'error', event, message: String(error), stack: stackOfBug(error) });
  const suspendedTenants = await watchSuspendedTenants(
    database,
    rolePrefix,
    onFailure('suspended-tenants-unknown'),
  );
  const live = new LiveChanges(database, rolePrefix, onFailure('outbox-unreadable'));
  const engine = await makeGraphqlEngine(database, rolePrefix, live, embed, dependencies);
  const verifySession = makeVerifySession(database, rolePrefix);
  const authenticate = makeAuthenticate(
    (token) => (isSessionToken(token) ? verifySession(token) : verifyToken(token)),
    (tenantId) => suspendedTenants.has(tenantId),
  );
  const sessions = watchSessions(database, rolePrefix, onFailure('sessions-unknown'));
  const websockets = makeGraphqlWebsockets(engine, authenticate, sessions, budgets, {
    onInternalError,
    refuse: (request, socket, error) => refuseUpgrade(request, socket, cors, error),
  });
  const eventStreams = makeEventStreams(live, makePositionSeal(dependencies.secret), sessions);
  suspendedTenants.onSuspended((tenantId) => {
    websockets.dropTenant(tenantId);
    eventStreams.dropTenant(tenantId);
  });

  const schemaCache = new SchemaCacheWatcher(database, {
    scope: () => restOptions,
    channel: 'pgrst',
    onReplaced: () => database.renewConnections(),
    log,
  });
  const rest = makeRestHandler({
    database,
    schemaCache: () => schemaCache.current,
    identify: identifyByClaims(authenticate, rolePrefix),
    authorizationOf,
    crossOrigin: cors.crossOrigin,
    options: () => restOptions,
    mountPath: restPath,
    version,
    log,
    requestIdSetting: 'app.request_id',
    furtherSettings: (raw, requester) => searchCallSettings(embed, raw, requester),
    logStatements: dependencies.rest.logStatements,
    onAnswered: null,
  });
  await schemaCache.firstLoad;

  const handler = expressDoors({
    cors,
    graphql: [authenticated(authenticate), graphqlHandler(engine, budgets, onInternalError)],
    events: [authenticated(authenticate), eventStreams.handler],
    isReady,
    restPathOf: (path) => restPathOf(path, schemaCache),
    onInternalError,
  });

  const realtime = makeRealtimeRefusals();
  const webSocketDoors = new Map([
    ['/graphql', websockets.handleUpgrade],
    ['/realtime/v1/websocket', realtime.handleUpgrade],
  ]);

  // REST bypasses Express, for speed.
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    request.url = withOriginForm(request.url ?? '/');
    const target = hasHost(request) ? restTarget(request.url) : null;
    if (target === null) handler(request, response);
    else rest(request, response, target);
  };
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    websockets.close();
    realtime.close();
    eventStreams.close();
    await Promise.all([live.close(), suspendedTenants.close(), sessions.close(), schemaCache.close()]);
  };
  return {
    attach: (server) => {
      server.on('request', serve);
      // Ignores the expectation, as RFC 9110, 10.1.1 allows; node would answer 417 without a body.
      server.on('checkExpectation', serve);
      takeUpgrades(server, cors, (path) => webSocketDoors.get(path));
      answerUnreadable(server, unreadableAnswer, () => [
        ['X-Request-Id', newRequestId()],
        ...cors.unreadable,
      ]);
    },
    close: () => (closing ??= close()),
  };
}

/** The parts that Express routes to. */
interface Doors {
  readonly cors: CorsPolicy;
  readonly graphql: readonly RequestHandler[];
  readonly events: readonly RequestHandler[];
  readonly isReady: AppDependencies['isReady'];
  /** The path in REST of the relation or function that a path names; null: REST has nothing of that name. */
  readonly restPathOf: (path: string) => string | null;
  readonly onInternalError: (error: unknown, id: string) => void;
}

/** All doors except REST's. */
function expressDoors({
  cors,
  graphql,
  events,
  isReady,
  restPathOf: findInRest,
  onInternalError,
}: Doors): Express {
  const handler: Express = express();
  handler.disable('x-powered-by');
  handler.disable('etag');
  handler.disable('query parser');
  handler.enable('case sensitive routing');
  handler.use(requestId, withCors(cors), withHost);
  handler.all('/graphql', methods('GET', 'POST'), ...graphql);
  handler.all('/events', methods('GET'), ...events);
  handler.all('/healthz', methods('GET'), healthz);
  handler.all('/readyz', methods('GET'), readyz(isReady));
  handler.all('/', methods('GET'), (_request, response) => response.redirect('/graphiql'));
  handler.use(graphiql());
  for (const path of Object.keys(supabaseServices) as (keyof typeof supabaseServices)[]) {
    handler.use(path, insteadOf(path));
  }
  handler.use(notFound(findInRest));
  handler.use(errorHandler(onInternalError));
  return handler;
}

/** The path in REST for a path whose mount point was forgotten; null: REST has nothing of that name. */
function restPathOf(path: string, schemaCache: SchemaCacheWatcher): string | null {
  const [, first = '', second, third] = path.split('/');
  if (third !== undefined) return null;
  const cache = schemaCache.current;
  if (cache === null) return null;
  const key = nameKey('app_public', second ?? first);
  const isThere = second === undefined ? cache.tables.has(key) : first === 'rpc' && cache.routines.has(key);
  return isThere ? restPath + path : null;
}

/** Path and query within REST; null: the request is not for REST. */
function restTarget(url: string): string | null {
  if (!url.startsWith(restPath)) return null;
  const next = url[restPath.length];
  return next === undefined || next === '/' || next === '?' ? url.slice(restPath.length) : null;
}
