import { anonymous } from '../auth/claims.ts';
import { asRequester } from '../auth/requester.ts';
import type { TokenKeys } from '../auth/token-keys.ts';
import type { Database } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import { MigrationsReplaced, migrationState } from '../db/migrations.ts';
import type { MigrationState } from '../db/migrations.ts';
import type { Readiness } from './health.ts';

/**
 * Tells whether requests can be served: notifications are heard, the keys of tokens are known, the database answers and its schema is
 * this version's. Rejects when the database cannot be asked. It asks over a connection of the pool, as requests do.
 */
export function makeReadiness(installation: Installation, tokenKeys: TokenKeys): () => Promise<Readiness> {
  const anyone = asRequester(installation, anonymous);
  return async () =>
    deafness(installation.database) ?? keysUnknown(tokenKeys) ?? schemaFits(await migrationState(anyone));
}

/** Null: notifications are heard. */
function deafness({ deafSince }: Database): Readiness | null {
  if (deafSince === null) return null;
  const seconds = Math.round((Date.now() - deafSince) / 1000);
  return {
    ready: false,
    reason: `the connection that listens for notifications was lost ${seconds} s ago and is being restored`,
  };
}

/** Null: every key is known. */
function keysUnknown({ current }: TokenKeys): Readiness | null {
  if (current.complete) return null;
  return {
    ready: false,
    reason: 'the published keys of JWT_KEYS_URL could not be read yet; the log says why',
  };
}

function schemaFits(state: MigrationState): Readiness {
  switch (state.kind) {
    case 'current':
      return { ready: true };
    case 'behind':
      return { ready: false, reason: `the schema lacks ${state.missing.join(', ')}: run lightning migrate` };
    case 'ahead':
      return {
        ready: false,
        reason: `the schema has ${state.unknown.join(', ')}, which this version does not know`,
      };
    case 'replaced':
      return { ready: false, reason: new MigrationsReplaced().message };
    default:
      return state satisfies never;
  }
}
