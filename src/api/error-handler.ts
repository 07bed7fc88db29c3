import type { ErrorRequestHandler, RequestHandler } from 'express';
import { databaseErrorToAppError } from '../db/errors.ts';
import { AppError } from '../errors.ts';
import { isStackOverflow } from '../too-deep.ts';
import { errorBody } from '../http/error-body.ts';
import type { OnInternalError } from '../http/error-body.ts';
import { requestIdOf } from '../http/request-id.ts';
import { sendJson } from '../http/send-json.ts';
import { noteRefusal } from '../http/tell-answered.ts';

/**
 * Answers paths that nothing else answered.
 *
 * @param elsewhere gives the path that the client meant, if it only forgot where REST is mounted; null: there is none
 * @param basePath the part of the path that a proxy removes, without a trailing slash; mostly empty
 */
export function notFound(elsewhere: (path: string) => string | null, basePath: string): RequestHandler {
  return (request) => {
    const meant = elsewhere(request.path);
    throw new AppError('NOT_FOUND', `there is nothing at ${request.path}`, {
      hint:
        meant === null
          ? `REST is at ${basePath}/rest/v1, GraphQL at ${basePath}/graphql (a page to try it at ${basePath}/graphiql), live changes at ${basePath}/events.`
          : `Did you mean ${basePath}${meant}?`,
    });
  };
}

/**
 * The last handler in line: answers `{"errors": [{message, extensions: {code}}]}`, GraphQL's form, on every path. An
 * error that clients may not see goes to `onInternalError`, and the client gets the request's id.
 */
export function errorHandler(onInternalError: OnInternalError): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const requestId = requestIdOf(response);
    let shown = error instanceof AppError ? error : databaseErrorToAppError(error);
    if (isStackOverflow(error)) shown = new AppError('QUERY_TOO_DEEP', 'the request nests too deep');
    if (!shown) {
      onInternalError(error, requestId);
      shown = new AppError(
        'INTERNAL_ERROR',
        `something broke on our side; the log has it under ${requestId}`,
      );
    }
    noteRefusal(response, shown.code);
    if (shown.status === 401) response.setHeader('WWW-Authenticate', `Bearer error="invalid_token"`);
    sendJson(response, shown.status, errorBody(shown));
  };
}
