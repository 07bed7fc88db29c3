import { DatabaseError } from 'pg';
import { AnswerTooLarge } from '../../db/answer-limit.ts';
import { outageOf } from '../../db/errors.ts';
import { publicSentence } from '../../db/server-trouble.ts';
import { errorCodes, outages, refusalStatuses } from '../../errors.ts';
import { isStackOverflow } from '../../too-deep.ts';
import { RestError } from '../errors.ts';
import type { ShownError } from './error-response.ts';
import { isFinalStatus } from './header-syntax.ts';
import { answerTooLarge } from './refused-write.ts';
import { parseRaised } from './raised-error.ts';

/**
 * The answer to a database error (PostgREST, Errors); null: the error is not the database's. `isAnonymous`: a
 * forbidden request brought no credentials, so the answer asks for them. `blamesClient`: a statement too complex for
 * Postgres (class 54) is a 400, because it came from the client; PostgREST answers 500. The same caller gets no words
 * about the way to the server.
 */
export function databaseError(
  error: unknown,
  isAnonymous: boolean,
  blamesClient: boolean,
): ShownError | null {
  const outage = outageOf(error);
  if (outage !== null) return databaseAway(outage, error as Error, blamesClient);
  if (error instanceof AnswerTooLarge) return answerTooLarge(error);
  if (isStackOverflow(error)) return new RestError('LTR010', 'The request nests too deep', { cause: error });
  if (error instanceof DatabaseError) {
    return blamesClient && error.code?.startsWith('54')
      ? { ...said(error, isAnonymous), status: 400 }
      : said(error, isAnonymous);
  }
  return null;
}

/** PostgREST's messages where it has the code. */
const awayMessages = {
  PGRST000: 'Database connection error.',
  PGRST001: 'Database client error. Retrying the connection.',
  PGRST003: 'Timed out acquiring connection from connection pool.',
  LTR504: 'The database did not answer in time.',
} as const;

/** The answer while the database is away; it has the same status as at the other doors. */
function databaseAway(outage: keyof typeof outages, error: Error, hidesWay: boolean): ShownError {
  const { restCode, code } = outages[outage];
  const { status } = errorCodes[code];
  if (restCode === null) return { ...said(error as DatabaseError, false), status };
  // The reason why no connection could be had names the server's address.
  const isSilent = restCode === 'PGRST003' || (restCode === 'PGRST000' && hidesWay);
  const details = isSilent ? null : error.message;
  const hint =
    restCode === 'LTR504' ? 'The request may have taken effect: check before you send it again.' : null;
  return new RestError(restCode, awayMessages[restCode], { cause: error, details, hint });
}

function said(error: DatabaseError, isAnonymous: boolean): ShownError {
  if (error.code === 'PGRST') return parseRaised(error);
  const { code = '' } = error;
  const status = httpStatus(code, error.message, isAnonymous);
  const instead = publicSentence(error);
  const message = instead ?? error.message;
  return {
    code,
    status,
    // `raise sqlstate 'PT402' using message = 'Payment Required'` also sets the text of the status line.
    reason: code.startsWith('PT') && status !== 500 ? message : undefined,
    message,
    details: instead === null ? (error.detail ?? null) : null,
    hint: instead === null ? (error.hint ?? null) : null,
    headers: status === 401 ? [['WWW-Authenticate', 'Bearer']] : [],
  };
}

/**
 * The HTTP status of an SQLSTATE. The longest entry that the code begins with counts (PostgREST, Errors, HTTP Status
 * Codes).
 */
function httpStatus(code: string, message: string, isAnonymous: boolean): number {
  switch (code) {
    case '42501':
      return isAnonymous ? 401 : 403;
    case '21000':
      // An error of pg-safeupdate is the client's fault; several rows from a sub-select are not.
      return message.endsWith('requires a WHERE clause') ? 400 : 500;
    case '22023':
      // The token's role does not exist.
      return /^role .* does not exist$/s.test(message) ? 401 : 400;
    case '42883':
      // No function can turn these columns into the accepted type.
      return message.startsWith('function xmlagg(') ? 406 : 404;
    default:
      if (code.startsWith('PT')) return customStatus(code.slice(2));
      return refusalStatuses[code] ?? statuses[code] ?? statuses[code.slice(0, 2)] ?? 400;
  }
}

function customStatus(digits: string): number {
  const status = /^\d{3}$/.test(digits) ? Number(digits) : 500;
  return isFinalStatus(status) ? status : 500;
}

const statuses: Readonly<Record<string, number>> = {
  '08': 503,
  '09': 500,
  '0L': 403,
  '0P': 403,
  '23503': 409,
  '23505': 409,
  '25006': 405,
  '25': 500,
  '28': 403,
  '2D': 500,
  '38': 500,
  '39': 500,
  '3B': 500,
  '40': 500,
  '42P01': 404,
  '42P17': 500,
  '53400': 500,
  '53': 503,
  '54': 500,
  '55': 500,
  '57P01': 503,
  '57': 500,
  '58': 500,
  F0: 500,
  HV: 500,
  P0001: 400,
  P0: 500,
  XX: 500,
};
