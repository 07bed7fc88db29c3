import { OperationalError } from '../operational-error.ts';

/** The command line cannot be used as it was typed. Exit status 2. */
export class UsageError extends OperationalError {
  override name = 'UsageError';
}
