import type { LoginKind } from '../db/login-needs.ts';

/** The four identities, each a login of its own. */
export type LoginNames = Readonly<Record<LoginKind, string>>;

/** The names of what a setup makes. */
export interface SetupNames {
  /** The database to make or to complete. */
  readonly databaseName: string;
  readonly rolePrefix: string;
  readonly logins: LoginNames;
}
