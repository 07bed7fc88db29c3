import type { Executor } from '../db/database.ts';
import { MigrationsReplaced, migrationState, migrationStateByLedger } from '../db/migrations.ts';
import type { MigrationState } from '../db/migrations.ts';
import { ConnectionsError } from '../open-database.ts';

/**
 * Checks the schema before a command works on it. Throws MigrationsReplaced where no upgrade leads to this version,
 * and ConnectionsError where there is no schema, or an older one that is refused.
 */
export async function requireSchema(executor: Executor, older: 'refused' | 'accepted'): Promise<void> {
  refuseUnlessUsable(await stateOfSchema(executor), older);
}

/** As `requireSchema`, for a login that may call no function of the schema. */
export async function requireSchemaByLedger(
  executor: Executor,
  older: 'refused' | 'accepted',
): Promise<void> {
  refuseUnlessUsable(await migrationStateByLedger(executor), older);
}

function refuseUnlessUsable(state: MigrationState | null, older: 'refused' | 'accepted'): void {
  if (state === null)
    throw new ConnectionsError('the database has no schema yet: lightning migrate makes it');
  if (state.kind === 'replaced') throw new MigrationsReplaced();
  if (state.kind === 'behind' && older === 'refused') {
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
