import { OperationalError } from '../operational-error.ts';

/** The command line is not valid. Exit status 2. */
export class UsageError extends OperationalError {
  override name = 'UsageError';
}
