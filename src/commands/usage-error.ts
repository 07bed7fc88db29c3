/** The command line cannot be used as it was typed. Exit status 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}
