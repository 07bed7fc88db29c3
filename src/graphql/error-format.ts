import { isSafeError } from 'postgraphile/grafast';
import { GraphQLError } from 'postgraphile/graphql';
import type { GraphQLFormattedError } from 'postgraphile/graphql';
import { databaseErrorToAppError } from '../db/errors.ts';
import { isStackOverflow } from '../too-deep.ts';
import { originOf } from './refused-argument.ts';
import { AppError, errorCodes } from '../errors.ts';
import type { OnInternalError } from '../http/error-body.ts';
import type { ErrorCode } from '../errors.ts';

/**
 * A GraphQL error as the client sees it: the message, the place, and a code of src/errors.ts. An error that clients
 * may not see goes to `onInternalError`; the client gets a sentence with the request id, under which the log has it.
 */
export function formatGraphqlError(
  error: GraphQLError,
  requestId: string,
  onInternalError: OnInternalError,
): GraphQLFormattedError {
  const { locations, path } = error.toJSON();
  const place = { ...(locations && { locations }), ...(path && { path }) };
  const shown = shownError(error);
  if (!shown) {
    onInternalError(originOf(error), requestId);
    const code: ErrorCode = 'INTERNAL_ERROR';
    return {
      message: `something broke on our side; the log has it under ${requestId}`,
      ...place,
      extensions: { code, requestId },
    };
  }
  const { code, details, hint, sqlState } = shown;
  return {
    message: shown.message,
    ...place,
    extensions: {
      code,
      ...(sqlState !== null && { sqlState }),
      ...(details !== null && { details }),
      ...(hint !== null && { hint }),
    },
  };
}

/** The HTTP status of a request that got only errors: the status of the first. */
export function statusOf(errors: readonly GraphQLFormattedError[]): number {
  return errorCodes[codeOf(errors)].status;
}

/** The code of the first error. */
export function codeOf(errors: readonly GraphQLFormattedError[]): ErrorCode {
  const code = errors[0]?.extensions?.['code'];
  return isErrorCode(code) ? code : 'INTERNAL_ERROR';
}

interface ShownError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: string | null;
  readonly hint: string | null;
  readonly sqlState: string | null;
}

function shownError(error: GraphQLError): ShownError | null {
  const origin = originOf(error);
  const known = origin instanceof AppError ? origin : databaseErrorToAppError(origin);
  if (known) return known;
  if (isStackOverflow(origin)) return plain('QUERY_TOO_DEEP', 'the query or its variables nest too deep');
  const code = error.extensions['code'];
  if (isErrorCode(code)) return plain(code, error.message);
  if (origin instanceof GraphQLError) {
    // Errors without a path concern the request: variables that do not fit, or an unknown operation. A path means
    // that execution failed.
    if (!error.path) return plain('BAD_USER_INPUT', error.message);
    return /^(Int|Float|String|Boolean|ID) cannot represent /.test(origin.message)
      ? { ...plain('VALUE_NOT_REPRESENTABLE', origin.message), hint: 'REST and CSV carry this value.' }
      : null;
  }
  if (origin instanceof Error && isSafeError(origin)) return plain('BAD_USER_INPUT', origin.message);
  if (origin instanceof Error && /^No values were (updated|deleted) in collection/.test(origin.message)) {
    return plain('ROW_NOT_FOUND', 'the row does not exist, or this role may not change it');
  }
  return null;
}

function plain(code: ErrorCode, message: string): ShownError {
  return { code, message, details: null, hint: null, sqlState: null };
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code);
}
