import type { Database } from '../../src/db/database.ts';
import type { Installation } from '../../src/db/installation.ts';
import { testRolePrefix } from './logins.ts';

/** The tests' installation in this database. */
export function installationIn(database: Database): Installation {
  return { database, rolePrefix: testRolePrefix };
}
