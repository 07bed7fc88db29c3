import { DatabaseError } from 'pg';
import { describe, expect, test } from 'vitest';
import { DatabaseUnavailable } from '../../src/db/database.ts';
import { databaseErrorToAppError } from '../../src/db/errors.ts';

function refusal(code: string, more: Partial<DatabaseError> = {}): DatabaseError {
  return Object.assign(new DatabaseError('what Postgres says', 0, 'error'), { code, ...more });
}

describe('what the database refused', () => {
  test.each([
    ['22P02', 'INVALID_VALUE', 400],
    ['22000', 'INVALID_VALUE', 400],
    ['23502', 'NOT_NULL_VIOLATION', 400],
    ['23503', 'FOREIGN_KEY_VIOLATION', 409],
    ['23505', 'UNIQUE_VIOLATION', 409],
    ['23514', 'CHECK_VIOLATION', 400],
    ['42501', 'PERMISSION_DENIED', 403],
    ['40001', 'TRY_AGAIN', 409],
    ['40P01', 'TRY_AGAIN', 409],
    ['57014', 'STATEMENT_TIMEOUT', 504],
    ['54000', 'TOO_COMPLEX', 400],
    ['54001', 'TOO_COMPLEX', 400],
    ['LTK01', 'REFUSED', 400],
    ['LTQ01', 'REFUSED_NOT_FOUND', 404],
    ['LTQ02', 'REFUSED_CONFLICT', 409],
    ['LTQ05', 'REFUSED', 400],
    ['LTX99', 'REFUSED', 400],
    ['P0001', 'REFUSED', 400],
  ])('%s is %s with status %i, and its message is shown', (sqlState, code, status) => {
    expect(databaseErrorToAppError(refusal(sqlState))).toMatchObject({
      code,
      status,
      message: 'what Postgres says',
    });
  });

  test.each(['08006', '53300', '57P01'])('%s: the database is away, in our words', (sqlState) => {
    const shown = databaseErrorToAppError(refusal(sqlState));
    expect(shown).toMatchObject({ code: 'DATABASE_UNAVAILABLE', status: 503 });
    expect(shown?.message).not.toContain('Postgres');
  });

  test.each(['XX001', '58030', '42601', '42703'])('%s is nobody else’s business', (sqlState) => {
    expect(databaseErrorToAppError(refusal(sqlState))).toBeNull();
  });

  test('no connection is 503, a bug is nobody’s business', () => {
    expect(databaseErrorToAppError(new DatabaseUnavailable('connect ECONNREFUSED'))?.status).toBe(503);
    expect(databaseErrorToAppError(new TypeError('x is not a function'))).toBeNull();
  });

  test('a refused row is not printed: it has columns that the caller may not read', () => {
    const detail = 'Failing row contains (default, a secret).';
    expect(databaseErrorToAppError(refusal('23514', { detail }))?.details).toBeNull();
    expect(databaseErrorToAppError(refusal('23505', { detail: 'Key (id)=(a)' }))?.details).toBe(
      'Key (id)=(a)',
    );
  });
});
