import { getOperationAST } from 'postgraphile/graphql';
import type { ExecutionResult, GraphQLError } from 'postgraphile/graphql';
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { AppError, retryAfterSeconds, stoppedRetryAfterSeconds } from '../errors.ts';
import { claimsOf, stopwatchOf } from '../http/authenticate.ts';
import type { OnInternalError } from '../http/error-body.ts';
import { departureOf } from '../http/departure.ts';
import { readBody } from '../http/read-body.ts';
import { requestIdOf } from '../http/request-id.ts';
import { sendJson } from '../http/send-json.ts';
import { noteRefusal } from '../http/tell-answered.ts';
import { budgetFor } from '../request-budget.ts';
import type { RequestBudgets } from '../request-budget.ts';
import type { GraphqlEngine } from './engine.ts';
import { codeOf, formatGraphqlError, statusOf } from './error-format.ts';
import { parseGraphqlQueryString, parseGraphqlRequest } from './graphql-request.ts';

/**
 * `/graphql` by POST, and queries by GET, as GraphQL over HTTP specifies, with one liberty: a request that got only
 * errors has the status of its first error, even when it accepts only application/json. It replaces grafserv's
 * handler because every refusal has a code here, and because it costs less: one parse, and no copies of headers.
 */
export function graphqlHandler(
  engine: GraphqlEngine,
  budgets: RequestBudgets,
  onInternalError: OnInternalError,
): RequestHandler {
  return async (request, response) => {
    const isPost = request.method === 'POST';
    const claims = claimsOf(response);
    const { bodyBytes } = budgetFor(budgets, claims.role === 'anon');
    const asked = isPost
      ? parseGraphqlRequest(await readJsonBody(request, bodyBytes))
      : parseGraphqlQueryString(request.url);
    const { operationName } = asked;
    const stopwatch = stopwatchOf(response);
    const requestId = requestIdOf(response);
    const acceptsGraphqlType = request.headers.accept?.includes('application/graphql-response+json');
    const send = (status: number, json: string): void => {
      stopwatch.lap('response');
      response.setHeader('Server-Timing', stopwatch.header);
      sendJson(
        response,
        status,
        json,
        acceptsGraphqlType ? 'application/graphql-response+json; charset=utf-8' : undefined,
      );
    };

    const format = (error: GraphQLError) => formatGraphqlError(error, requestId, onInternalError);

    const prepared = engine.prepare(asked, claims);
    stopwatch.lap('parse');
    if (prepared.errors) {
      const errors = prepared.errors.map(format);
      noteRefusal(response, codeOf(errors));
      send(statusOf(errors), JSON.stringify({ errors }));
      return;
    }
    const { snapshot, document, variables, fields } = prepared;
    const kind = getOperationAST(document, operationName)?.operation;
    if (kind === 'mutation' && !isPost) {
      // A mutation by GET could be triggered by a link or an image on another page.
      response.setHeader('Allow', 'POST');
      throw new AppError('METHOD_NOT_ALLOWED', 'mutations need POST');
    }
    if (kind === 'subscription') {
      throw new AppError(
        'SUBSCRIPTIONS_OVER_WEBSOCKET',
        'subscriptions need a WebSocket (graphql-transport-ws)',
      );
    }
    const departure = departureOf(request);
    let result: ExecutionResult;
    try {
      const { left } = departure;
      result = await engine.execute({
        snapshot,
        document,
        variables,
        fields,
        operationName,
        claims,
        requestId,
        left,
      });
    } finally {
      departure.end();
    }
    stopwatch.lap('execute');
    if (!result.errors) {
      send(200, JSON.stringify(result));
      return;
    }
    const errors = result.errors.map(format);
    noteRefusal(response, codeOf(errors));
    // The status is 200 where other fields have values, and the client may try again all the same.
    if (errors.some(({ extensions }) => extensions?.['code'] === 'WRITES_STOPPED'))
      response.setHeader('Retry-After', stoppedRetryAfterSeconds);
    else if (errors.some((error) => statusOf([error]) === 503))
      response.setHeader('Retry-After', retryAfterSeconds);
    const answered = result.data !== undefined && result.data !== null;
    send(answered ? 200 : statusOf(errors), JSON.stringify({ ...result, errors }));
  };
}

/** Rejects with UNSUPPORTED_MEDIA_TYPE, or as `readBody` does. */
async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const contentType = request.headers['content-type'] ?? '';
  // Browsers send some other types across origins without a preflight, but not this one.
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    request.resume();
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      `the Content-Type is "${contentType}"; application/json is needed`,
    );
  }
  return readBody(request, maxBytes);
}
