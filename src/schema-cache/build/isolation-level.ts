import type { Routine } from '../routine.ts';

/** The value of `default_transaction_isolation` as it stands in the catalog. Null: none, or none that there is. */
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
