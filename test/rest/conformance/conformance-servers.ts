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

/** A server for every set of options that cases use, on one database. Each is started when it is first needed. */
export class ConformanceServers {
  readonly agent = new Agent({ keepAlive: true });
  /** The servers' log: errors of ours, and statements if they are wanted. */
  readonly logged: LogEntry[] = [];
  readonly #database: Database;
  readonly #logStatements: boolean;
  readonly #servers = new Map<string, Promise<{ readonly url: string; readonly server: Server }>>();
  /** The snapshots of the catalog. No case changes the catalog, so servers with the same schemas share one. */
  readonly #caches = new Map<string, Promise<SchemaCache>>();

  constructor(database: Database, { logStatements = false } = {}) {
    this.#database = database;
    this.#logStatements = logStatements;
  }

  /** The address of the API with these options. */
  async url(options: ReadonlyMap<string, string>): Promise<string> {
    const key = JSON.stringify([...options]);
    let starting = this.#servers.get(key);
    if (!starting) this.#servers.set(key, (starting = this.#start(options)));
    return (await starting).url;
  }

  /** Ends the servers; the database remains the caller's. */
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
