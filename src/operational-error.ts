import { AssertionError } from 'node:assert';

/**
 * An error that a correct program meets: an input, a setting, a file, a server or a network is not as it has to be. The message
 * is a sentence for whoever runs the program, and says what to do. Every error class of ours extends it, but for those that never
 * leave their folder.
 */
export class OperationalError extends Error {
  override name = 'OperationalError';
}

/** What the language throws where a program is wrong. Node gives some of these a code as well. */
const bugs = [AssertionError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];

/** The stack of a bug, for the log. Undefined for an error that its message tells whole, and for what is not an error. */
export function stackOfBug(error: unknown): string | undefined {
  return error instanceof Error && !isOperational(error) ? error.stack : undefined;
}

/**
 * Whether an error can be told by its message alone. It can when it is an OperationalError, or when Postgres, the system or Node
 * gave it a code, such as `42501` or `ECONNREFUSED`. Any other error is a bug: its stack is needed.
 */
function isOperational(error: Error): boolean {
  if (error instanceof OperationalError) return true;
  // Its codes are those of the DOM, which every DOMException has.
  if (error instanceof DOMException) return error.name === 'TimeoutError' || error.name === 'AbortError';
  return 'code' in error && !bugs.some((bug) => error instanceof bug);
}
