import type { LoginNames } from '../../src/setup/setup-names.ts';
import type { LoginUrls } from '../../src/setup/setup-server.ts';

/** The four logins of the run's server, as `lightning setup` makes them. */
export const testLogins: LoginNames = {
  api: 'agent_user',
  migrate: 'agent_migrate',
  worker: 'agent_worker',
  backup: 'agent_backup',
};

/** The prefix of the roles' names in all tests. */
export const testRolePrefix = 'lightning';

/** The logins' URLs, all with a known password: the run made the server, or reset the logins. */
export type KnownLoginUrls = { readonly [kind in keyof LoginUrls]: string };
