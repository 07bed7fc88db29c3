import { DatabaseError } from 'pg';

/** Codes of the system under which nothing answers at an address, or nothing does any longer. */
const awayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOENT', // The socket's file of a server that is not running.
  'EPIPE',
  'ETIMEDOUT',
  // Names of services appear with the service, in Docker and Kubernetes.
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** SQLSTATEs of a server that is about to end or to begin, and of one that has no connection left. */
const awayStates = new Set(['57P01', '57P02', '57P03', '53300']);

/**
 * Whether the server is away, so that the same attempt may succeed later: nobody answers at the address, the name is not
 * found, or the server begins, ends or has no connection left. False for a server that answered and refused: the
 * password, the login or the database is wrong, and no time mends that.
 */
export function isAway(error: unknown): boolean {
  const failure = rootOf(error);
  if (failure instanceof DatabaseError) return awayStates.has(failure.code ?? '');
  if (!(failure instanceof Error)) return false;
  if ('code' in failure && awayCodes.has(String(failure.code))) return true;
  // node-postgres gives these no code.
  return /^(timeout expired|Connection terminated)/.test(failure.message);
}

/** The reason why a connection could not be had, in words. */
export function reasonOf(error: unknown): string {
  const failure = rootOf(error);
  return failure instanceof Error ? failure.message : String(failure);
}

/** The first error of a chain of causes that the system or the server gave; the error itself when there is none. */
function rootOf(error: unknown): unknown {
  for (let failure = error; failure instanceof Error; failure = failure.cause) {
    // A name with several addresses gives an error without a message for all of them together.
    if (failure instanceof AggregateError && failure.errors.length > 0) return rootOf(failure.errors[0]);
    if (failure instanceof DatabaseError || 'code' in failure || failure.cause === undefined) return failure;
  }
  return error;
}
