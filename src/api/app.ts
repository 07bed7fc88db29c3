import type {
  IncomingHttpHeaders,
  IncomingMessage,
  RequestListener,
  Server,
  ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
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
import { graphqlHandler } from '../graphql/http-handler.ts';
import { makeGraphqlWebsockets } from '../graphql/websocket.ts';
import { authenticated } from '../http/authenticate.ts';
import { authorizationOf } from '../http/credentials.ts';
import { makeCorsPolicy, renewableCors } from '../http/cors.ts';
import type { CorsPolicy } from '../http/cors.ts';
import { expressDoors } from './express-doors.ts';
import { makeHealth, storageHeaders } from './health.ts';
import { publicAddress, restPath } from './public-address.ts';
import type { Health, Readiness } from './health.ts';
import { counted } from '../http/count-requests.ts';
import { keepRefusals } from '../http/refusals.ts';
import { Traffic } from '../http/traffic.ts';
import type { TrafficState } from '../http/traffic.ts';
import { restAnswered } from './rest-answered.ts';
import { restTraffic } from './rest-traffic.ts';
import { newRequestId } from '../http/request-id.ts';
import { hasHost, withOriginForm } from '../http/request-target.ts';
import { answerUnreadable } from '../http/unreadable-request.ts';
import type { UnreadableAnswer } from '../http/unreadable-request.ts';
import { answerRaw } from '../http/raw-answer.ts';
import { securityHeaders } from '../http/security-headers.ts';
import { countedMethod, unknownRoute } from '../http/answered-request.ts';
import type { OnAnswered } from '../http/answered-request.ts';
import { refuseUpgrade, takeUpgrades } from '../http/upgrades.ts';
import type { TakeUpgrade } from '../http/upgrades.ts';
import { makeEventStreams } from '../live/events-handler.ts';
import { LiveChanges } from '../live/live-changes.ts';
import { makePositionSeal } from '../live/sealed-position.ts';
import type { Log } from '../log.ts';
import { stackOfBug } from '../operational-error.ts';
import { unreadableAnswer } from '../rest/response/unreadable-answer.ts';
import type { PageSizes, RequestBudgets } from '../request-budget.ts';
import { makeRestHandler } from '../rest/handler.ts';
import type { RestHandler } from '../rest/handler.ts';
import { renewableRest } from './renewable-rest.ts';
import type { RenewableRest } from './renewable-rest.ts';
import { ownRestOptions } from './rest-options.ts';
import type { RestConfig, TrafficConfig } from '../config/config.ts';
import { routeOf } from '../rest/route-of.ts';
import { makeRealtimeRefusals } from '../rest/supabase-services.ts';
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
  /** Asks whether requests can be served, for `/readyz` and `/healthz`. */
  readonly isReady: () => Promise<Readiness>;
  /** Whether requests without an operator's token get the details of `/healthz`. */
  readonly showsHealthToAll: boolean;
  /** Gets the full errors that clients do not see, with the request id that clients see instead. */
  readonly log: Log;
  /** Called for every request of every door. */
  readonly onAnswered: OnAnswered;
}

/** The settings that may change while the API serves. */
export type AppSettings = Pick<AppDependencies, 'corsOrigins' | 'rest' | 'traffic'>;

/** The API over HTTP and WebSockets. It serves once it is attached to a server. */
export interface App {
  /** Serves requests and WebSocket upgrades of the server. */
  attach(server: Server): void;
  /** The numbers of connections, requests and streams at its doors now. */
  readonly traffic: () => TrafficState;
  /** Answers a client that speaks plain HTTP where HTTPS is served. */
  readonly refusePlain: (socket: Socket) => void;
  /** Serves with other settings from the next request on. What is in progress goes on. */
  adopt(settings: AppSettings): void;
  /** Says where requests are to go. */
  readonly health: Pick<Health, 'beginDrain' | 'isWatched'>;
  /**
   * Stops watching the catalog, ends subscriptions and WebSockets (1001). Call it once no new connection is accepted;
   * a second call does nothing.
   */
  close(): Promise<void>;
}

/** Builds the API on a migrated database: introspects it, and starts to listen for suspended tenants. */
export async function makeApp(dependencies: AppDependencies): Promise<App> {
  const { installation, verifyToken, watchKey, secrets, budgets, embed, log, onAnswered } = dependencies;
  const { database } = installation;
  const { basePath, origin, restUrl } = publicAddress(dependencies.publicUrl);
  const cors = renewableCors(corsOf(dependencies, origin));
  const settings = renewableRest(dependencies.rest, (to) => ownRestOptions(to, { budgets, url: restUrl }));
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
    onAnswered,
    refuse: (request, socket, error) =>
      refuseUpgrade(request, socket, { cors, route: '/graphql', error, onAnswered }),
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
    () => settings.options,
    () => engine.reload(),
    log,
  );
  const rest = tenantsRest(dependencies, { schemaCache, authenticate, cors, traffic, settings, basePath });
  const operators = makeOperatorsDoors({
    ...dependencies,
    authenticate: identities.authenticate,
    live,
    cors,
    traffic,
    basePath,
    url: dependencies.publicUrl && dependencies.publicUrl + operatorsRestPath,
    onInternalError,
    onAnswered,
  });
  await schemaCache.firstLoad;
  // The catalog may have changed between the two reads.
  engine.reload();

  const health = healthOf(dependencies, identities.authenticate);
  const handler = expressDoors({
    basePath,
    cors,
    traffic,
    showsPages: dependencies.showsSchemaToAll,
    health,
    graphql: [
      authenticated(authenticate),
      counted(traffic),
      graphqlHandler(engine, budgets, onInternalError),
    ],
    events: [authenticated(authenticate), eventStreams.handler],
    operators: operators.graphql,
    restPathOf: (path) => restPathOf(path, schemaCache, settings.options.schemas),
    onInternalError,
    onAnswered,
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
    await Promise.all([live, identities, refusals, schemaCache, operators].map((part) => part.close()));
    await engine.close();
  };
  return {
    ...onServer({ cors, traffic, serve, onAnswered, webSocketDoorOf: (path) => webSocketDoors.get(path) }),
    adopt: (next) => {
      traffic.adopt(next.traffic);
      cors.renew(corsOf({ ...dependencies, ...next }, origin));
      for (const part of [settings, operators]) part.adopt(next.rest);
    },
    health,
    close: () => (closing ??= close()),
  };
}

function healthOf(
  { installation, isReady, isKept, showsHealthToAll }: AppDependencies,
  authenticate: Authenticate,
): Health {
  return makeHealth({
    isReady,
    isKept,
    connections: () => installation.database.poolState(),
    maySeeHealth: async ({ headers }) => showsHealthToAll || (await isOperator(authenticate, headers)),
  });
}

/** A token that is refused is not an operator's. */
async function isOperator(authenticate: Authenticate, headers: IncomingHttpHeaders): Promise<boolean> {
  try {
    return (await authenticate(authorizationOf(headers))).role === 'operator';
  } catch {
    return false;
  }
}

/** The ways in which a server hands over what reaches it. */
function onServer({
  cors,
  traffic,
  serve,
  onAnswered,
  webSocketDoorOf,
}: {
  readonly cors: CorsPolicy;
  readonly traffic: Traffic;
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
  readonly onAnswered: OnAnswered;
  readonly webSocketDoorOf: (path: string) => TakeUpgrade | undefined;
}): Pick<App, 'attach' | 'refusePlain' | 'traffic'> {
  const headers = ({ status, code }: UnreadableAnswer) => {
    const requestId = newRequestId();
    onAnswered({ ...unreadable, status, code, requestId });
    return [['X-Request-Id', requestId] as const, ...cors.unreadable];
  };
  return {
    traffic: () => traffic.state,
    refusePlain: (socket) => {
      const answer = unreadableAnswer({ kind: 'not-encrypted' });
      answerRaw(socket, answer.status, headers(answer), answer.body);
      socket.resume();
    },
    attach: (server) => {
      server.on('request', serve);
      // Ignores the expectation, as RFC 9110, 10.1.1 allows; node would answer 417 without a body.
      server.on('checkExpectation', serve);
      traffic.boundConnections(server);
      takeUpgrades(server, { cors, doorOf: webSocketDoorOf, traffic, onAnswered });
      answerUnreadable(server, unreadableAnswer, headers);
    },
  };
}

/** The parts of an AnsweredRequest that are the same for every request that could not be read. */
const unreadable = {
  kind: 'request',
  method: countedMethod(undefined),
  route: unknownRoute,
  durationMs: 0,
  claims: null,
  headers: null,
} as const;

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
  { installation: { database, rolePrefix }, embed, showsSchemaToAll, log, onAnswered }: AppDependencies,
  parts: {
    readonly schemaCache: SchemaCacheWatcher;
    readonly authenticate: Authenticate;
    readonly cors: CorsPolicy;
    readonly traffic: Traffic;
    readonly settings: RenewableRest;
    readonly basePath: string;
  },
): RestHandler {
  const { schemaCache, authenticate, cors, traffic, settings, basePath } = parts;
  return makeRestHandler({
    database,
    schemaCache: () => schemaCache.current,
    identify: identifyByClaims(authenticate, rolePrefix),
    authorizationOf,
    crossOrigin: cors.crossOrigin,
    options: () => settings.options,
    mountPath: basePath + restPath,
    version,
    log,
    requestIdSetting: 'app.request_id',
    furtherSettings: (raw, requester) => searchCallSettings(embed, raw, requester),
    get logStatements() {
      return settings.logsStatements;
    },
    cacheControl: 'no-store',
    traffic: restTraffic(traffic),
    showsSchemaToAll,
    onAnswered: restAnswered(restPath, onAnswered),
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
function restPathOf(
  path: string,
  { current }: SchemaCacheWatcher,
  schemas: readonly string[],
): string | null {
  const route = current && routeOf(path, current, schemas);
  return route ? restPath + path : null;
}

/** Path and query below a mount point; null: the request is not for what is mounted there. */
function targetBelow(path: string, url: string): string | null {
  if (!url.startsWith(path)) return null;
  const next = url[path.length];
  return next === undefined || next === '/' || next === '?' ? url.slice(path.length) : null;
}
