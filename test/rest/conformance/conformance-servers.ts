import { once } from 'node:events';
import { Agent, createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeRequesterIdentification } from '../../../src/postgrest/auth/identify-requester.ts';
import type { Database } from '../../../src/db/database.ts';
import type { LogEntry } from '../../../src/log.ts';
import { postgrestCors } from '../../../src/postgrest/cors.ts';
import { makeRestHandler } from '../../../src/rest/handler.ts';
import { loadSchemaCache } from '../../../src/schema-cache/load.ts';
import type { SchemaCacheOptions } from '../../../src/schema-cache/load.ts';
import type { SchemaCache } from '../../../src/schema-cache/schema-cache.ts';
import { conformanceConfig } from './configuration.ts';

/** A server for every set of options that cases want, on one database: started when it is first asked for. */
export class ConformanceServers {
  readonly agent = new Agent({ keepAlive: true });
  /** What the servers had to log: what went wrong on our side, and statements if they are wanted. */
  readonly logged: LogEntry[] = [];
  readonly #database: Database;
  readonly #logStatements: boolean;
  readonly #servers = new Map<string, Promise<{ readonly url: string; readonly server: Server }>>();
  /** No case changes the catalog: one snapshot does for all that read the same of it. */
  readonly #caches = new Map<string, Promise<SchemaCache>>();

  constructor(database: Database, { logStatements = false } = {}) {
    this.#database = database;
    this.#logStatements = logStatements;
  }

  /** Where the API with these options is. */
  async url(options: ReadonlyMap<string, string>): Promise<string> {
    const key = JSON.stringify([...options]);
    let starting = this.#servers.get(key);
    if (!starting) this.#servers.set(key, (starting = this.#start(options)));
    return (await starting).url;
  }

  /** Ends the servers; the database is the caller's. */
  async close(): Promise<void> {
    this.agent.destroy();
    for (const starting of this.#servers.values()) {
      const { server } = await starting;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #start(options: ReadonlyMap<string, string>) {
    const { rest, identification, corsAllowedOrigins } = conformanceConfig(options);
    const cache = await this.#schemaCache(rest);
    const handler = makeRestHandler({
      database: this.#database,
      schemaCache: () => cache,
      identify: makeRequesterIdentification(identification).identify,
      authorizationOf: ({ authorization }) => authorization,
      crossOrigin: (method, headers) => postgrestCors(method, headers, corsAllowedOrigins),
      options: () => rest,
      mountPath: '',
      version: '0.0.0',
      log: (entry) => this.logged.push(entry),
      requestIdSetting: null,
      logStatements: this.#logStatements,
      onAnswered: null,
    });
    const server = createServer((request, response) => handler(request, response, request.url ?? '/'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
  }

  #schemaCache({ schemas, extraSearchPath, hoistedSettings }: SchemaCacheOptions): Promise<SchemaCache> {
    const wanted = { schemas, extraSearchPath, hoistedSettings };
    const key = JSON.stringify(wanted);
    let loading = this.#caches.get(key);
    if (!loading) this.#caches.set(key, (loading = loadSchemaCache(this.#database, wanted)));
    return loading;
  }
}
