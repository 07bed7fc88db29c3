import { AssertionError } from 'node:assert';

/**
 * An error that a correct program can meet: an input, a setting, a file, a server or a network is not as
 * expected. The message is a sentence for the user of the program, and says what to do. All our error classes
 * extend it, except those that never leave their folder.
 */
export class OperationalError extends Error {
  override name = 'OperationalError';
}

/** Errors that the language throws for a bug. Node gives some of them a code as well. */
const bugs = [AssertionError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];

/**
 * The stack of a bug, for the log. Undefined for an error whose message is enough, and for a value that is not
 * an error.
 */
export function stackOfBug(error: unknown): string | undefined {
  return error instanceof Error && !isOperational(error) ? error.stack : undefined;
}

/**
 * Whether an error's message is enough to explain it. It is for an OperationalError, and for an error that has
 * a code from Postgres, the system or Node, such as `42501` or `ECONNREFUSED`. Any other error is a bug, and
 * its stack is needed.
 */
function isOperational(error: Error): boolean {
  if (error instanceof OperationalError) return true;
  // A DOMException always has a code, but one of the DOM's.
  if (error instanceof DOMException) return error.name === 'TimeoutError' || error.name === 'AbortError';
  return 'code' in error && !bugs.some((bug) => error instanceof bug);
}
