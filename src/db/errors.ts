import { DatabaseError } from 'pg';
import { AppError, refusalStatuses } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { AnswerTooLarge } from './answer-limit.ts';
import { ConnectionLost, DatabaseUnavailable } from './database.ts';

/**
 * The database's error in a form that may be shown. Null for errors that stay internal: broken SQL of ours,
 * corrupted data, anything that did not come from the database. Postgres' messages name columns, constraints
 * and the values that were sent, never values from another tenant's rows.
 */
export function databaseErrorToAppError(error: unknown): AppError | null {
  if (error instanceof DatabaseUnavailable) {
    return new AppError('DATABASE_UNAVAILABLE', 'the database cannot be reached at the moment', {
      cause: error,
      hint: 'Try again in a few seconds.',
    });
  }
  if (error instanceof ConnectionLost) {
    const silent = error.reason === 'silent';
    return new AppError(
      silent ? 'DATABASE_SILENT' : 'DATABASE_UNAVAILABLE',
      silent ? 'the database did not answer in time' : 'the connection to the database was lost',
      { cause: error, hint: 'The request may have taken effect: check before you send it again.' },
    );
  }
  if (error instanceof AnswerTooLarge) {
    return new AppError('ANSWER_TOO_LARGE', error.message, {
      cause: error,
      hint: 'Ask for fewer rows, or fewer of their columns.',
    });
  }
  if (!(error instanceof DatabaseError)) return null;
  const code = codeOf(error.code ?? '');
  if (code === null) return null;
  if (code === 'DATABASE_UNAVAILABLE') {
    return new AppError(code, 'the database is not available at the moment', {
      cause: error,
      hint: 'Try again in a few seconds.',
    });
  }
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
  // Connection lost, too many connections or no memory, server stopping.
  if (sqlState.startsWith('08') || sqlState.startsWith('53') || sqlState.startsWith('57P')) {
    return 'DATABASE_UNAVAILABLE';
  }
  return null;
}
