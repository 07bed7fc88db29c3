import type { RequestHandler } from 'express';
import { ofOperators } from '../auth/authenticate.ts';
import type { Authenticate } from '../auth/authenticate.ts';
import type { RestConfig } from '../config/config.ts';
import type { Installation } from '../db/installation.ts';
import { makeGraphqlEngine } from '../graphql/engine.ts';
import type { GraphqlEngine } from '../graphql/engine.ts';
import { operatorsExposure } from '../graphql/exposure.ts';
import { graphqlHandler } from '../graphql/http-handler.ts';
import type { OnAnswered } from '../http/answered-request.ts';
import { authenticated } from '../http/authenticate.ts';
import type { CorsPolicy } from '../http/cors.ts';
import { authorizationOf } from '../http/credentials.ts';
import { counted } from '../http/count-requests.ts';
import type { Traffic } from '../http/traffic.ts';
import type { LiveChanges } from '../live/live-changes.ts';
import type { Log } from '../log.ts';
import type { PageSizes, RequestBudgets } from '../request-budget.ts';
import { makeRestHandler } from '../rest/handler.ts';
import type { RestHandler } from '../rest/handler.ts';
import { SchemaCacheWatcher } from '../schema-cache/watch.ts';
import { version } from '../version.ts';
import { identifyByClaims } from './rest-identity.ts';
import { renewableRest } from './renewable-rest.ts';
import { operatorsRestOptions } from './rest-options.ts';
import { restAnswered } from './rest-answered.ts';
import { restTraffic } from './rest-traffic.ts';

/** The path of the operators' REST. */
export const operatorsRestPath = '/ops/v1';

/** What the doors of operators are made of. */
export interface OperatorsParts {
  readonly installation: Installation;
  readonly authenticate: Authenticate;
  readonly live: LiveChanges;
  readonly budgets: RequestBudgets;
  readonly pages: PageSizes;
  readonly showsSchemaToAll: boolean;
  readonly rest: RestConfig;
  readonly cors: CorsPolicy;
  readonly traffic: Traffic;
  /** The part of the path that a proxy removes, without a trailing slash; mostly empty. */
  readonly basePath: string;
  /** The address of the operators' REST that clients see; null: the one that they ask. */
  readonly url: string | null;
  readonly onInternalError: (error: unknown, id: string) => void;
  readonly onAnswered: OnAnswered;
  readonly log: Log;
}

/** REST and GraphQL on the schema `ops`. */
export interface OperatorsDoors {
  readonly rest: RestHandler;
  readonly graphql: readonly RequestHandler[];
  /** Serves with another configuration from the next request on. */
  adopt(rest: RestConfig): void;
  /** Stops following the catalog. Call it before the database is closed. */
  close(): Promise<void>;
}

/**
 * The doors of operators. They have a catalog and a schema of their own, so that nothing of theirs can show in those of
 * tenants, nor the other way round. Both are read when the first operator comes, and cost nothing before.
 */
export function makeOperatorsDoors(parts: OperatorsParts): OperatorsDoors {
  const { installation, budgets, log } = parts;
  const { database, rolePrefix } = installation;
  const authenticate = ofOperators(parts.authenticate);
  const settings = renewableRest(parts.rest, (to) => operatorsRestOptions(to, { budgets, url: parts.url }));
  let catalog: SchemaCacheWatcher | null = null;
  let engine: Promise<GraphqlEngine> | null = null;
  let closed = false;

  const catalogRead = async (): Promise<void> => {
    if (closed) return;
    catalog ??= new SchemaCacheWatcher(database, {
      scope: () => settings.options,
      channel: 'pgrst',
      whenNotified: 'look',
      onReplaced: () => void engine?.then((made) => made.reload()).catch(() => {}),
      log,
    });
    await catalog.firstLoad;
  };
  const engineMade = (): Promise<GraphqlEngine> => {
    engine ??= makeGraphqlEngine(installation, operatorsExposure, parts.live, null, parts, log).catch(
      (error: unknown) => {
        // The next request tries again.
        engine = null;
        throw error;
      },
    );
    return engine;
  };

  const identify = identifyByClaims(authenticate, rolePrefix);
  const rest = makeRestHandler({
    database,
    schemaCache: () => catalog?.current ?? null,
    identify: async (authorization) => {
      const requester = await identify(authorization);
      await catalogRead();
      return requester;
    },
    authorizationOf,
    crossOrigin: parts.cors.crossOrigin,
    options: () => settings.options,
    mountPath: parts.basePath + operatorsRestPath,
    version,
    log,
    requestIdSetting: 'app.request_id',
    get logStatements() {
      return settings.logsStatements;
    },
    cacheControl: 'no-store',
    traffic: restTraffic(parts.traffic),
    onAnswered: restAnswered(operatorsRestPath, parts.onAnswered),
  });
  const answerGraphql: RequestHandler = async (request, response, next) => {
    await catalogRead();
    return graphqlHandler(await engineMade(), budgets, parts.onInternalError)(request, response, next);
  };
  return {
    rest,
    graphql: [authenticated(authenticate), counted(parts.traffic), answerGraphql],
    adopt: settings.adopt,
    close: async () => {
      closed = true;
      await catalog?.close();
      await engine?.then(
        (made) => made.close(),
        () => {},
      );
    },
  };
}
