import { DatabaseError } from 'pg';
import { RestError } from '../errors.ts';
import { refusalFrom } from '../sql/refusals.ts';

/**
 * The refusal behind a statement of ours that failed on purpose, so that the write is undone; null: it is another
 * error.
 */
export function refusedWrite(error: unknown): RestError | null {
  if (!(error instanceof DatabaseError) || error.code !== '22P02') return null;
  const refusal = refusalFrom(error.message);
  if (refusal === null) return null;
  const { code, rows } = refusal;
  switch (code) {
    case 'PGRST115':
      return new RestError(code, 'Payload values do not match URL in primary key column(s)', {
        cause: error,
      });
    case 'PGRST116':
      return notSingular(rows);
    case 'PGRST124':
      return new RestError(code, 'Query result exceeds max-affected preference constraint', {
        details: `The query affects ${rows} rows`,
        cause: error,
      });
    case 'LTR011':
      return answerTooLarge(error);
    default:
      return code satisfies never;
  }
}

/** The refusal of an answer beyond `RequestBudget.answerBytes`. */
export function answerTooLarge(cause: Error): RestError {
  return new RestError('LTR011', 'The answer has more bytes than MAX_ANSWER_BYTES allows', {
    cause,
    hint: 'Ask for fewer rows, or fewer of their columns.',
  });
}

/**
 * The refusal where a single object is wanted but the rows are not exactly one (PostgREST, Resource Representation,
 * Singular or Plural).
 */
export function notSingular(rows: number): RestError {
  return new RestError('PGRST116', 'Cannot coerce the result to a single JSON object', {
    details: `The result contains ${rows} rows`,
  });
}
