import express from 'express';
import type { Express, RequestHandler } from 'express';
import { graphiql } from '../graphql/graphiql.ts';
import type { OnAnswered } from '../http/answered-request.ts';
import { withCors } from '../http/cors.ts';
import type { CorsPolicy } from '../http/cors.ts';
import { arriving } from '../http/count-requests.ts';
import type { OnInternalError } from '../http/error-body.ts';
import { methods } from '../http/methods.ts';
import { requestId } from '../http/request-id.ts';
import { withHost } from '../http/request-target.ts';
import { door, tellingAnswered } from '../http/tell-answered.ts';
import type { Traffic } from '../http/traffic.ts';
import { insteadOf, supabaseServices } from '../rest/supabase-services.ts';
import { errorHandler, notFound } from './error-handler.ts';
import type { Health } from './health.ts';

/** The parts that Express routes to. */
export interface ExpressDoors {
  /** The part of the path that a proxy removes, without a trailing slash; mostly empty. */
  readonly basePath: string;
  readonly cors: CorsPolicy;
  readonly traffic: Traffic;
  readonly showsPages: boolean;
  readonly health: Pick<Health, 'livez' | 'readyz' | 'healthz'>;
  readonly graphql: readonly RequestHandler[];
  readonly events: readonly RequestHandler[];
  /** GraphQL of operators. */
  readonly operators: readonly RequestHandler[];
  /** The path in REST of the relation or function that a path names; null: REST has nothing of that name. */
  readonly restPathOf: (path: string) => string | null;
  readonly onInternalError: OnInternalError;
  readonly onAnswered: OnAnswered;
}

/** All doors except REST's. */
export function expressDoors({
  basePath,
  cors,
  traffic,
  showsPages,
  health,
  graphql,
  events,
  operators,
  restPathOf: findInRest,
  onInternalError,
  onAnswered,
}: ExpressDoors): Express {
  const handler: Express = express();
  handler.disable('x-powered-by');
  handler.disable('etag');
  handler.disable('query parser');
  handler.enable('case sensitive routing');
  handler.use(requestId, tellingAnswered(onAnswered), withCors(cors), withHost);
  for (const name of ['livez', 'readyz', 'healthz'] as const) {
    handler.all(`/${name}`, door(`/${name}`, 'probe'), methods('GET'), health[name]);
  }
  handler.use(arriving(traffic));
  handler.all('/graphql', door('/graphql'), methods('GET', 'POST'), ...graphql);
  handler.all('/ops/graphql', door('/ops/graphql'), methods('GET', 'POST'), ...operators);
  handler.all('/events', door('/events', 'stream'), methods('GET'), ...events);
  handler.all('/favicon.ico', door('/favicon.ico'), methods('GET'), noIcon);
  if (showsPages)
    handler.all('/', door('/'), methods('GET'), (_request, response) =>
      response.redirect(`${basePath}/graphiql`),
    );
  if (showsPages) handler.use(graphiql(basePath));
  for (const path of Object.keys(supabaseServices) as (keyof typeof supabaseServices)[]) {
    handler.use(path, door(path), insteadOf(path));
  }
  handler.use(notFound(findInRest, basePath));
  handler.use(errorHandler(onInternalError));
  return handler;
}

/** A browser asks for an icon beside every answer that it shows as a page, so that there is none is remembered for a day. */
const noIcon: RequestHandler = (_request, response) => {
  response.writeHead(204, { 'Cache-Control': 'public, max-age=86400' }).end();
};
