import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import express from 'express';
import type { Express, RequestHandler } from 'express';
import { ofTenants } from '../auth/authenticate.ts';
import type { Authenticate } from '../auth/authenticate.ts';
import { watchIdentities } from './identities.ts';
import { makeOperatorsDoors, operatorsRestPath } from './operators.ts';
import { identifyByClaims } from './rest-identity.ts';
import type { VerifyToken } from '../auth/jwt.ts';
import type { TokenKeys } from '../auth/token-keys.ts';
import type { Database } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import { searchCallSettings } from './rest-search-settings.ts';
import { makeGraphqlEngine } from '../graphql/engine.ts';
import { tenantsExposure } from '../graphql/exposure.ts';
import { graphiql } from '../graphql/graphiql.ts';
import { graphqlHandler } from '../graphql/http-handler.ts';
import { makeGraphqlWebsockets } from '../graphql/websocket.ts';
import { authenticated } from '../http/authenticate.ts';
import { authorizationOf } from '../http/credentials.ts';
import { makeCorsPolicy, withCors } from '../http/cors.ts';
import type { CorsPolicy } from '../http/cors.ts';
import { errorHandler, notFound } from './error-handler.ts';
import { healthz, readyz, storageHeaders } from './health.ts';
import { publicAddress, restPath } from './public-address.ts';
import type { Readiness } from './health.ts';
import { arriving, counted } from '../http/count-requests.ts';
import { keepRefusals } from '../http/refusals.ts';
import { Traffic } from '../http/traffic.ts';
import { restTraffic } from './rest-traffic.ts';
import { methods } from '../http/methods.ts';
import { newRequestId, requestId } from '../http/request-id.ts';
import { hasHost, withHost, withOriginForm } from '../http/request-target.ts';
import { answerUnreadable } from '../http/unreadable-request.ts';
import { answerRaw } from '../http/raw-answer.ts';
import { securityHeaders } from '../http/security-headers.ts';
import { refuseUpgrade, takeUpgrades } from '../http/upgrades.ts';
import type { TakeUpgrade } from '../http/upgrades.ts';
import { makeEventStreams } from '../live/events-handler.ts';
import { LiveChanges } from '../live/live-changes.ts';
import { makePositionSeal } from '../live/sealed-position.ts';
import type { Log } from '../log.ts';
import { stackOfBug } from '../operational-error.ts';
import { unreadableAnswer } from '../rest/response/unreadable-answer.ts';
import type { PageSizes, RequestBudgets } from '../request-budget.ts';
import type { RestOptions } from '../rest/options.ts';
import { makeRestHandler } from '../rest/handler.ts';
import type { RestHandler } from '../rest/handler.ts';
import { ownRestOptions } from './rest-options.ts';
import type { RestConfig, TrafficConfig } from '../config/config.ts';
import { insteadOf, makeRealtimeRefusals, supabaseServices } from '../rest/supabase-services.ts';
import { nameKey } from '../schema-cache/identifier.ts';
import type { SchemaCacheOptions } from '../schema-cache/load.ts';
import { SchemaCacheWatcher } from '../schema-cache/watch.ts';
import { version } from '../version.ts';

/** The parts of the API. The caller closes the installation's database, after the app. */
export interface AppDependencies {
  readonly installation: Installation;
  readonly verifyToken: VerifyToken;
  /** Calls back once, when the key of a JWT is no longer one of the keys. The returned function ends the watch. */
  readonly watchKey: TokenKeys['watch'];
  /** The same in all processes, the one in use first: the keys that seal the ids of events are derived from them. */
  readonly secrets: readonly Buffer[];
  readonly budgets: RequestBudgets;
  /** Page sizes of GraphQL's lists. */
  readonly pages: PageSizes;
  /** The address that clients see, without a trailing slash; null: the one that they ask. */
  readonly publicUrl: string | null;
  /** Origins whose pages may use the API; null: every origin. */
  readonly corsOrigins: readonly string[] | null;
  /** Whether this process itself serves HTTPS. */
  readonly isHttps: boolean;
  /** Whether what is written outlives this process. */
  readonly isKept: boolean;
  readonly rest: RestConfig;
  /** Whether requests without a token get the pages, OpenAPI and introspection. */
  readonly showsSchemaToAll: boolean;
  readonly traffic: TrafficConfig;
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
  /** Answers a client that speaks plain HTTP where HTTPS is served. */
  readonly refusePlain: (socket: Socket) => void;
  /**
   * Stops watching the catalog, ends subscriptions and WebSockets (1001). Call it once no new connection is accepted;
   * a second call does nothing.
   */
  close(): Promise<void>;
}

/** Builds the API on a migrated database: introspects it, and starts to listen for suspended tenants. */
export async function makeApp(dependencies: AppDependencies): Promise<App> {
  const { installation, verifyToken, watchKey, secrets, budgets, embed, isReady, log } = dependencies;
  const { database } = installation;
  const { basePath, origin, restUrl } = publicAddress(dependencies.publicUrl);
  const cors = corsOf(dependencies, origin);
  const restOptions = ownRestOptions(dependencies.rest, { budgets, url: restUrl });
  const { onInternalError, onFailure } = failureLogs(log);
  const refusals = keepRefusals(installation, onFailure('refusals-untold'));
  const traffic = new Traffic(dependencies.traffic, log, refusals.note);
  const identities = await watchIdentities(installation, { verifyToken, watchKey }, onFailure);
  const live = new LiveChanges(installation, onFailure('outbox-unreadable'));
  const engine = await makeGraphqlEngine(installation, tenantsExposure, live, embed, dependencies, log);
  const authenticate = ofTenants(identities.authenticate);
  const { credentials } = identities;
  const websockets = makeGraphqlWebsockets(engine, authenticate, credentials, traffic, budgets, {
    onInternalError,
    refuse: (request, socket, error) => refuseUpgrade(request, socket, cors, error),
  });
  const eventStreams = makeEventStreams(
    live,
    makePositionSeal(secrets),
    credentials,
    traffic,
    onInternalError,
  );
  identities.onSuspended((tenantId) => {
    websockets.dropTenant(tenantId);
    eventStreams.dropTenant(tenantId);
  });

  const schemaCache = watchCatalog(
    database,
    () => restOptions,
    () => engine.reload(),
    log,
  );
  const rest = tenantsRest(dependencies, { schemaCache, authenticate, cors, traffic, restOptions, basePath });
  const operators = makeOperatorsDoors({
    ...dependencies,
    authenticate: identities.authenticate,
    live,
    cors,
    traffic,
    basePath,
    url: dependencies.publicUrl && dependencies.publicUrl + operatorsRestPath,
    onInternalError,
  });
  await schemaCache.firstLoad;
  // The catalog may have changed between the two reads.
  engine.reload();

  const handler = expressDoors({
    basePath,
    cors,
    traffic,
    showsPages: dependencies.showsSchemaToAll,
    isKept: dependencies.isKept,
    graphql: [
      authenticated(authenticate),
      counted(traffic),
      graphqlHandler(engine, budgets, onInternalError),
    ],
    events: [authenticated(authenticate), eventStreams.handler],
    operators: operators.graphql,
    isReady,
    restPathOf: (path) => restPathOf(path, schemaCache),
    onInternalError,
  });

  const realtime = makeRealtimeRefusals();
  const webSocketDoors = new Map([
    ['/graphql', websockets.handleUpgrade],
    ['/realtime/v1/websocket', realtime.handleUpgrade],
  ]);

  const serve = servedBy(rest, operators.rest, handler);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    websockets.close();
    realtime.close();
    eventStreams.close();
    await Promise.all([
      live.close(),
      identities.close(),
      refusals.close(),
      schemaCache.close(),
      operators.close(),
    ]);
    await engine.close();
  };
  return {
    ...onServer(cors, traffic, serve, (path) => webSocketDoors.get(path)),
    close: () => (closing ??= close()),
  };
}

/** The ways in which a server hands over what reaches it. */
function onServer(
  cors: CorsPolicy,
  traffic: Traffic,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
  webSocketDoorOf: (path: string) => TakeUpgrade | undefined,
): Pick<App, 'attach' | 'refusePlain'> {
  const headers = () => [['X-Request-Id', newRequestId()] as const, ...cors.unreadable];
  return {
    refusePlain: (socket) => {
      const { status, body } = unreadableAnswer({ kind: 'not-encrypted' });
      answerRaw(socket, status, headers(), body);
      socket.resume();
    },
    attach: (server) => {
      server.on('request', serve);
      // Ignores the expectation, as RFC 9110, 10.1.1 allows; node would answer 417 without a body.
      server.on('checkExpectation', serve);
      traffic.boundConnections(server);
      takeUpgrades(server, cors, webSocketDoorOf, traffic);
      answerUnreadable(server, unreadableAnswer, headers);
    },
  };
}

/** CORS and the security headers, which go the same ways. */
function corsOf({ corsOrigins, isHttps, isKept }: AppDependencies, origin: string | null): CorsPolicy {
  const choices = {
    isHttps: isHttps || (origin?.startsWith('https:') ?? false),
    isOpenToAll: corsOrigins === null,
  };
  const always = [...securityHeaders(choices), ...storageHeaders(isKept)];
  return makeCorsPolicy(corsOrigins, origin, always);
}

/** Handlers that write failures to the log: of requests under their ids, and of what runs beside them. */
function failureLogs(log: Log) {
  return {
    onInternalError: (error: unknown, id: string): void => {
      const { message, stack } =
        error instanceof Error ? error : { message: String(error), stack: undefined };
      log({ level: 'error', event: 'internal-error', message, requestId: id, stack });
    },
    onFailure: (event: string) => (error: unknown) =>
      log({ level: 'error', event, message: String(error), stack: stackOfBug(error) }),
  };
}

/** REST of tenants, on the schema `app_public`. */
function tenantsRest(
  { installation: { database, rolePrefix }, embed, rest, showsSchemaToAll, log }: AppDependencies,
  parts: {
    readonly schemaCache: SchemaCacheWatcher;
    readonly authenticate: Authenticate;
    readonly cors: CorsPolicy;
    readonly traffic: Traffic;
    readonly restOptions: RestOptions;
    readonly basePath: string;
  },
): RestHandler {
  const { schemaCache, authenticate, cors, traffic, restOptions, basePath } = parts;
  return makeRestHandler({
    database,
    schemaCache: () => schemaCache.current,
    identify: identifyByClaims(authenticate, rolePrefix),
    authorizationOf,
    crossOrigin: cors.crossOrigin,
    options: () => restOptions,
    mountPath: basePath + restPath,
    version,
    log,
    requestIdSetting: 'app.request_id',
    furtherSettings: (raw, requester) => searchCallSettings(embed, raw, requester),
    logStatements: rest.logStatements,
    cacheControl: 'no-store',
    traffic: restTraffic(traffic),
    showsSchemaToAll,
    onAnswered: null,
  });
}

/** Sends a request to REST, of tenants or of operators, or to Express. REST bypasses Express, for speed. */
function servedBy(rest: RestHandler, operatorsRest: RestHandler, others: RequestListener): RequestListener {
  return (request, response) => {
    request.url = withOriginForm(request.url ?? '/');
    const withAHost = hasHost(request);
    const target = withAHost ? targetBelow(restPath, request.url) : null;
    if (target !== null) return rest(request, response, target);
    const ofOperators = withAHost ? targetBelow(operatorsRestPath, request.url) : null;
    if (ofOperators !== null) return operatorsRest(request, response, ofOperators);
    others(request, response);
  };
}

/** The parts that Express routes to. */
interface Doors {
  /** The part of the path that a proxy removes, without a trailing slash; mostly empty. */
  readonly basePath: string;
  readonly cors: CorsPolicy;
  readonly traffic: Traffic;
  readonly showsPages: boolean;
  readonly isKept: boolean;
  readonly graphql: readonly RequestHandler[];
  readonly events: readonly RequestHandler[];
  /** GraphQL of operators. */
  readonly operators: readonly RequestHandler[];
  readonly isReady: AppDependencies['isReady'];
  /** The path in REST of the relation or function that a path names; null: REST has nothing of that name. */
  readonly restPathOf: (path: string) => string | null;
  readonly onInternalError: (error: unknown, id: string) => void;
}

/** All doors except REST's. */
function expressDoors({
  basePath,
  cors,
  traffic,
  showsPages,
  isKept,
  graphql,
  events,
  operators,
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
  handler.all('/healthz', methods('GET'), healthz(isKept));
  handler.all('/readyz', methods('GET'), readyz(isReady));
  handler.use(arriving(traffic));
  handler.all('/graphql', methods('GET', 'POST'), ...graphql);
  handler.all('/ops/graphql', methods('GET', 'POST'), ...operators);
  handler.all('/events', methods('GET'), ...events);
  handler.all('/favicon.ico', methods('GET'), noIcon);
  if (showsPages)
    handler.all('/', methods('GET'), (_request, response) => response.redirect(`${basePath}/graphiql`));
  if (showsPages) handler.use(graphiql(basePath));
  for (const path of Object.keys(supabaseServices) as (keyof typeof supabaseServices)[]) {
    handler.use(path, insteadOf(path));
  }
  handler.use(notFound(findInRest, basePath));
  handler.use(errorHandler(onInternalError));
  return handler;
}

/** A browser asks for an icon beside every answer that it shows as a page, so that there is none is remembered for a day. */
const noIcon: RequestHandler = (_request, response) => {
  response.writeHead(204, { 'Cache-Control': 'public, max-age=86400' }).end();
};

/** Any login may notify, so a notification only has the catalog looked at. */
function watchCatalog(
  database: Database,
  scope: () => SchemaCacheOptions,
  onReplaced: () => void,
  log: Log,
): SchemaCacheWatcher {
  return new SchemaCacheWatcher(database, {
    scope,
    channel: 'pgrst',
    whenNotified: 'look',
    onReplaced: () => {
      database.renewConnections();
      onReplaced();
    },
    log,
  });
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

/** Path and query below a mount point; null: the request is not for what is mounted there. */
function targetBelow(path: string, url: string): string | null {
  if (!url.startsWith(path)) return null;
  const next = url[path.length];
  return next === undefined || next === '/' || next === '?' ? url.slice(path.length) : null;
}
