import type { ErrorRequestHandler, RequestHandler } from 'express';
import { databaseErrorToAppError } from '../db/errors.ts';
import { AppError } from '../errors.ts';
import type { OnInternalError } from '../graphql/error-format.ts';
import { requestIdOf } from './request-id.ts';
import { sendJson } from './send-json.ts';

/** For paths that nobody answered. */
export const notFound: RequestHandler = (request) => {
  throw new AppError('NOT_FOUND', `there is nothing at ${request.path}`, {
    hint: 'The API is at /graphql, a page to try it at /graphiql.',
  });
};

/**
 * The last in line: answers `{"errors": [{message, extensions: {code}}]}`, GraphQL's form, whatever the path. What may
 * not be shown goes to `onInternalError`, and the client gets the request's id.
 */
export function errorHandler(onInternalError: OnInternalError): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const requestId = requestIdOf(response);
    let shown = error instanceof AppError ? error : databaseErrorToAppError(error);
    if (!shown) {
      onInternalError(error, requestId);
      shown = new AppError(
        'INTERNAL_ERROR',
        `something broke on our side; the log has it under ${requestId}`,
      );
    }
    const { code, details, hint, status } = shown;
    if (status === 401) response.setHeader('WWW-Authenticate', `Bearer error="invalid_token"`);
    const extensions = { code, ...(details !== null && { details }), ...(hint !== null && { hint }) };
    sendJson(response, status, JSON.stringify({ errors: [{ message: shown.message, extensions }] }));
  };
}
