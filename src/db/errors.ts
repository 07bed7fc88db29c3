import { DatabaseError } from 'pg';
import { AppError, outages, refusalStatuses } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { AnswerTooLarge } from './answer-limit.ts';
import { CallerLeft, ConnectionLost, DatabaseUnavailable } from './database.ts';

/**
 * The outage that an error tells of; null: the database answered, or the error is not about the database.
 *
 * `ended` are the SQLSTATEs of classes 08 and 57P: the server ended the connection, or its session in the embedded
 * database. `exhausted` are those of class 53, except for 53400, a limit that the operator has set and that will be
 * the same the next time.
 */
export function outageOf(error: unknown): keyof typeof outages | null {
  if (error instanceof DatabaseUnavailable) return error.reason;
  if (error instanceof ConnectionLost) return error.reason;
  if (!(error instanceof DatabaseError)) return null;
  const { code = '' } = error;
  if (code.startsWith('08') || code.startsWith('57P')) return 'ended';
  return code.startsWith('53') && code !== '53400' ? 'exhausted' : null;
}

/**
 * The database's error in a form that may be shown. Null for errors that stay internal: broken SQL of ours,
 * corrupted data, anything that did not come from the database. Postgres' messages name columns, constraints
 * and the values that were sent, never values from another tenant's rows.
 */
export function databaseErrorToAppError(error: unknown): AppError | null {
  const outage = outageOf(error);
  if (outage !== null) {
    const { code, message, mayHaveTakenEffect } = outages[outage];
    const hint = mayHaveTakenEffect
      ? 'The request may have taken effect: check before you send it again.'
      : 'Try again in a few seconds.';
    return new AppError(code, message, { cause: error, hint });
  }
  if (error instanceof CallerLeft) return new AppError('CLIENT_LEFT', error.message, { cause: error });
  if (error instanceof AnswerTooLarge) {
    return new AppError('ANSWER_TOO_LARGE', error.message, {
      cause: error,
      hint: 'Ask for fewer rows, or fewer of their columns.',
    });
  }
  if (!(error instanceof DatabaseError)) return null;
  const code = codeOf(error.code ?? '');
  if (code === null) return null;
  return new AppError(code, error.message, {
    cause: error,
    // For a refused row Postgres prints the whole row, including columns that the caller may not read.
    details: error.detail?.startsWith('Failing row contains') ? null : (error.detail ?? null),
    hint: error.hint ?? null,
    sqlState: error.code?.startsWith('LT') ? error.code : null,
  });
}

const codesBySqlState: Readonly<Record<string, ErrorCode>> = {
  '23502': 'NOT_NULL_VIOLATION',
  '23503': 'FOREIGN_KEY_VIOLATION',
  '23505': 'UNIQUE_VIOLATION',
  '23514': 'CHECK_VIOLATION',
  '40001': 'TRY_AGAIN',
  '40P01': 'TRY_AGAIN',
  '55P03': 'TRY_AGAIN',
  '42501': 'PERMISSION_DENIED',
  '57014': 'STATEMENT_TIMEOUT',
  P0001: 'REFUSED',
  LTO01: 'WRITES_STOPPED',
};

const refusalCodes = {
  400: 'REFUSED',
  403: 'PERMISSION_DENIED',
  404: 'REFUSED_NOT_FOUND',
  409: 'REFUSED_CONFLICT',
  503: 'EMBEDDINGS_UNAVAILABLE',
} as const;

function codeOf(sqlState: string): ErrorCode | null {
  const exact = codesBySqlState[sqlState];
  if (exact) return exact;
  // Our own rules: `raise ... using errcode = 'LT...'`.
  if (sqlState.startsWith('LT')) return refusalCodes[refusalStatuses[sqlState] ?? 400];
  if (sqlState.startsWith('22')) return 'INVALID_VALUE';
  if (sqlState.startsWith('54')) return 'TOO_COMPLEX';
  return null;
}
