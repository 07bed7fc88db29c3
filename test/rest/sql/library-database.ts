import { readFile, rm } from 'node:fs/promises';
import { Client } from 'pg';
import type { Database, TransactionMode } from '../../../src/db/database.ts';
import { startEmbedded } from '../../../src/embedded/embedded.ts';
import { PostgresDatabase } from '../../../src/db/postgres.ts';
import type { RestOptions } from '../../../src/rest/options.ts';
import { planRequest } from '../../../src/rest/plan/plan-request.ts';
import type { CallAction, MutateAction, ReadAction } from '../../../src/rest/plan/plan.ts';
import { parseRequest } from '../../../src/rest/request/parse-request.ts';
import type { ApiRequest } from '../../../src/rest/request/query.ts';
import type { RawRequest } from '../../../src/rest/request/raw-request.ts';
import { requestStatements } from '../../../src/rest/sql/print-plan.ts';
import type { RequestStatements, ResultRow } from '../../../src/rest/sql/request-statements.ts';
import { requestSettings } from '../../../src/rest/sql/settings.ts';
import { loadSchemaCache } from '../../../src/schema-cache/load.ts';
import type { SchemaCache } from '../../../src/schema-cache/schema-cache.ts';
import { freshDatabase } from '../../support/db.ts';
import { emptyDataDirectory } from '../../support/embedded-template.ts';
import { poolOptions, serverDatabase } from '../../support/server-database.ts';
import { noServer, readyServer } from '../../support/server.ts';

/** The schema whose names are hard to write. */
export const oddSchema = 'select "from" ü';

export const libraryOptions: RestOptions = {
  schemas: ['library', oddSchema],
  schemaAliases: new Map(),
  extraSearchPath: [],
  maxRows: null,
  aggregatesEnabled: true,
  planEnabled: true,
  plannerCounts: true,
  preparedStatements: true,
  preRequest: null,
  rootSpec: null,
  tenantColumn: null,
  transactionEnd: 'commit',
  appSettings: [],
  hoistedSettings: ['statement_timeout'],
  openapi: {
    document: { version: '3.1' },
    mode: 'follow-privileges',
    securityActive: false,
    serverProxyUri: null,
  },
  traceHeader: null,
  serverTiming: false,
  errorVerbosity: 'verbose',
  legacyTargetNames: false,
  marksUnstorable: false,
  budgets: null,
  maxBodyBytes: 1_000_000,
};

/**
 * The time limit of a hook that opens a library: creating an embedded database from scratch takes long on a busy
 * machine.
 */
export const libraryOpeningMs = 120_000;

/** A request as a test writes it: `GET /books?id=eq.1`, with headers and body. */
export interface Asked {
  readonly line: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** The plan of a request. */
export interface Planned {
  readonly raw: RawRequest;
  readonly request: ApiRequest;
  readonly plan: ReadAction | MutateAction | CallAction;
  readonly statements: RequestStatements;
}

/** A `ResultRow` with named columns, and the planner's rows where a count was explained. */
export interface Result {
  readonly totalCount: string | null;
  readonly pageCount: string;
  readonly body: string | Buffer | null;
  readonly responseHeaders: string | null;
  readonly responseStatus: string | null;
  readonly location: readonly string[] | null;
  readonly insertedCount: string | null;
  readonly cursor: string | null;
  readonly planned: readonly unknown[] | null;
}

/** The library on its own database. Requests run there through the stages up to this one. */
export class Library {
  readonly database: Database;
  readonly #cache: SchemaCache;
  readonly #close: () => Promise<void>;

  constructor(database: Database, cache: SchemaCache, close: () => Promise<void>) {
    this.database = database;
    this.#cache = cache;
    this.#close = close;
  }

  plan(asked: Asked, options: Partial<RestOptions> = {}): Planned {
    const [method = '', target = ''] = asked.line.split(/ (.*)/s);
    const [path = '', query = ''] = target.split(/\?(.*)/s);
    const raw = { method, path, query, headers: asked.headers ?? {}, body: Buffer.from(asked.body ?? '') };
    const used = { ...libraryOptions, ...options };
    const request = parseRequest(raw, used);
    const plan = planRequest(request, this.#cache, used);
    if (plan.kind === 'options' || plan.kind === 'describe')
      throw new Error(`no statement is run for ${asked.line}`);
    return { raw, request, plan, statements: requestStatements(plan, request, used) };
  }

  /** The rows of the main statement. Writes are rolled back, unless `end` says otherwise. */
  async rows(
    asked: Asked,
    options: Partial<RestOptions> = {},
    end: TransactionMode['end'] = 'rollback',
  ): Promise<{ readonly main: readonly unknown[]; readonly explained: readonly unknown[] | null }> {
    const { raw, request, plan, statements } = this.plan(asked, options);
    const used = { ...libraryOptions, ...options };
    const requester = { 'request.jwt.claims': '{}' };
    const settings = requestSettings({
      raw,
      request,
      plan,
      options: used,
      requester,
      roleSettings: undefined,
    });
    const { main, explainCount } = statements;
    const batch = explainCount === null ? [main] : [main, explainCount];
    const results = await this.database.batch(settings, batch, { isolationLevel: null, end });
    return { main: results[0]?.rows ?? [], explained: results[1]?.rows ?? null };
  }

  async run(
    asked: Asked,
    options: Partial<RestOptions> = {},
    end: TransactionMode['end'] = 'rollback',
  ): Promise<Result> {
    const { main, explained } = await this.rows(asked, options, end);
    if (main.length !== 1) throw new Error(`${main.length} rows instead of one`);
    const [totalCount, pageCount, body, responseHeaders, responseStatus, location, insertedCount, cursor] =
      main[0] as ResultRow;
    return {
      totalCount,
      pageCount,
      body,
      responseHeaders,
      responseStatus,
      location,
      insertedCount,
      cursor,
      planned: explained,
    };
  }

  close(): Promise<void> {
    return this.#close();
  }
}

/** Both kinds of database by name, to be opened in a hook. The server is missing where there is none. */
export const libraries: readonly (readonly [kind: string, open: () => Promise<Library>])[] = [
  ['the embedded database', embeddedLibrary],
  ...(noServer ? [] : [['a server', serverLibrary] as const]),
];

async function embeddedLibrary(): Promise<Library> {
  const directory = await emptyDataDirectory();
  const embedded = await startEmbedded({ dataDirectory: directory });
  await loadSchema(embedded.connectionString);
  const database = new PostgresDatabase('embedded', poolOptions(embedded.connectionString, {}), () => {});
  return new Library(database, await loadSchemaCache(database, libraryOptions), async () => {
    await database.close();
    await embedded.close();
    await rm(directory, { recursive: true, force: true });
  });
}

async function serverLibrary(): Promise<Library> {
  const fresh = await freshDatabase(readyServer().adminUrl);
  await loadSchema(fresh.url);
  const database = serverDatabase(fresh.url);
  return new Library(database, await loadSchemaCache(database, libraryOptions), async () => {
    await database.close();
    await fresh.drop();
  });
}

async function loadSchema(connectionString: string): Promise<void> {
  const text = await readFile(new URL('schema.sql', import.meta.url), 'utf8');
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
