import { inject } from 'vitest';
import type { Template } from './template.ts';

/** What a test learns about the run's server from `inject('server')`. */
export type TestServer = ReadyServer | { readonly kind: 'unavailable'; readonly reason: string };

/** The run's one server, shared by all test files: make a database of your own on it with `freshDatabase`. */
export interface ReadyServer {
  readonly kind: 'ready';
  /** Superuser, database `postgres`. */
  readonly adminUrl: string;
  /** Where psql, pg_basebackup and the others are; may be missing when `TEST_DATABASE_URL` named the server. */
  readonly binDirectory?: string;
  /** Such as `17.12`; the minor version is whatever was at hand. */
  readonly version: string;
  /** The migrated database that test files copy. */
  readonly template: Template;
}

declare module 'vitest' {
  interface ProvidedContext {
    server: TestServer;
  }
}

/** For `describe.skipIf(noServer)`: the run has no server, and says so at its start and its end. */
export const noServer = inject('server').kind === 'unavailable';

/** The run's server; for hooks and tests, not while tests are being collected. Throws when there is none. */
export function readyServer(): ReadyServer {
  const server = inject('server');
  if (server.kind === 'unavailable')
    throw new Error(`no server: ${server.reason}; mark the group with skipIf(noServer)`);
  return server;
}
