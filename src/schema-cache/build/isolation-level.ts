import type { Routine } from '../routine.ts';

/** The level that `default_transaction_isolation` has in the catalog. Null: it is not set, or not to a known level. */
export function isolationLevel(value: string | undefined): Routine['isolationLevel'] {
  const level = value?.toLowerCase();
  switch (level) {
    case 'read uncommitted':
    case 'read committed':
    case 'repeatable read':
    case 'serializable':
      return level;
    default:
      return null;
  }
}
