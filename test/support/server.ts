import { inject } from 'vitest';
import type { Template } from './template.ts';

/** The description of the run's server that tests get from `inject('server')`. */
export type TestServer = ReadyServer | { readonly kind: 'unavailable'; readonly reason: string };

/** The run's only server, shared by all test files: create your own database on it with `freshDatabase`. */
export interface ReadyServer {
  readonly kind: 'ready';
  /** The URL of a superuser, database `postgres`. */
  readonly adminUrl: string;
  /** The folder with psql, pg_basebackup and the others; may be missing when `TEST_DATABASE_URL` named the server. */
  readonly binDirectory?: string;
  /** A version such as `17.12`; the minor version is whatever was available. */
  readonly version: string;
  /** The migrated database that test files copy. */
  readonly template: Template;
}

declare module 'vitest' {
  interface ProvidedContext {
    server: TestServer;
  }
}

/** For `describe.skipIf(noServer)`: the run has no server, and reports that at its start and its end. */
export const noServer = inject('server').kind === 'unavailable';

/** The run's server, for hooks and tests but not during collection. Throws when there is none. */
export function readyServer(): ReadyServer {
  const server = inject('server');
  if (server.kind === 'unavailable')
    throw new Error(`no server: ${server.reason}; mark the group with skipIf(noServer)`);
  return server;
}
