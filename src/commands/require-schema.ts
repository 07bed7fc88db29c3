import type { Executor } from '../db/database.ts';
import { MigrationsReplaced, migrationState } from '../db/migrations.ts';
import type { MigrationState } from '../db/migrations.ts';
import { ConnectionsError } from '../open-database.ts';

/**
 * Checks the schema for commands that only look, and therefore do not migrate. Throws ConnectionsError unless
 * the schema is at least this version's, and MigrationsReplaced where no upgrade leads to it.
 */
export async function requireSchema(executor: Executor): Promise<void> {
  const state = await stateOfSchema(executor);
  if (state === null)
    throw new ConnectionsError('the database has no schema yet: lightning migrate makes it');
  if (state.kind === 'replaced') throw new MigrationsReplaced();
  if (state.kind === 'behind') {
    throw new ConnectionsError(
      `the schema lacks ${state.missing.join(', ')}: lightning migrate brings it up to date`,
    );
  }
}

/** Null: the database was never migrated. */
async function stateOfSchema(executor: Executor): Promise<MigrationState | null> {
  try {
    return await migrationState(executor);
  } catch (error) {
    // The schema ops is missing, or has no function to ask.
    if (error instanceof Error && 'code' in error && ['3F000', '42883'].includes(String(error.code)))
      return null;
    throw error;
  }
}
