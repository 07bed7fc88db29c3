import type { Executor } from '../db/database.ts';
import { migrationState } from '../db/migrations.ts';
import { ConnectionsError } from '../open-database.ts';

/**
 * Checks the schema for commands that only look, and therefore do not migrate. Throws ConnectionsError unless
 * the schema is at least this version's.
 */
export async function requireSchema(executor: Executor): Promise<void> {
  const missing = await missingMigrations(executor);
  if (missing === null)
    throw new ConnectionsError('the database has no schema yet: lightning migrate makes it');
  if (missing.length > 0) {
    throw new ConnectionsError(
      `the schema lacks ${missing.join(', ')}: lightning migrate brings it up to date`,
    );
  }
}

/** Null: the database was never migrated. */
async function missingMigrations(executor: Executor): Promise<readonly string[] | null> {
  try {
    const state = await migrationState(executor);
    return state.kind === 'behind' ? state.missing : [];
  } catch (error) {
    // The schema ops is missing, or has no function to ask.
    if (error instanceof Error && 'code' in error && ['3F000', '42883'].includes(String(error.code)))
      return null;
    throw error;
  }
}
