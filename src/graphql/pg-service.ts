import type { PgAdaptor, PgClient, PgClientQuery, WithPgClient } from 'postgraphile/@dataplan/pg';
// Imported only for its types: it declares the keys of a GraphQL context that a service refers to. Nothing else in src/ imports it.
// oxlint-disable-next-line import/no-empty-named-blocks, unicorn/require-module-specifiers
import type {} from 'postgraphile/adaptors/pg';
import type { CallerDatabase, Database, Transaction, TransactionSettings } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import type { Exposure } from './exposure.ts';
import { maxPreparedText } from '../db/statement.ts';
import type { Statement } from '../db/statement.ts';

type DatabaseService = GraphileConfig.PgServiceConfiguration<'lightning/database'>;

/**
 * The part of a GraphQL context that PostGraphile reads: a request's settings, and the way to run statements under
 * them.
 */
export interface PgContext {
  readonly pgSettings: TransactionSettings;
  readonly withPgClient: WithPgClient;
}

declare global {
  namespace GraphileConfig {
    interface PgAdaptors {
      'lightning/database': {
        adaptorSettings: Database;
        makePgServiceOptions: object;
        client: PgClient;
      };
    }
  }
}

/**
 * PostGraphile's pg service on our Database: each query that PostGraphile plans is one implicit transaction and one
 * round trip, with role and claims in front of it. Statements that belong together go through `withTransaction`;
 * outside of it, the statements of one `withPgClient` callback share nothing.
 *
 * Introspection reads the catalog as a role that requests may have. The login of the embedded database is a superuser, and this
 * way it shows the same schema as a server.
 */
export function makePgService(
  { database, rolePrefix }: Installation,
  { schemas, introspectAs }: Exposure,
): DatabaseService {
  const adaptor: PgAdaptor<'lightning/database'> = {
    createWithPgClient: (lightning) => makeWithPgClient(lightning),
    makePgService: () => service,
  };
  const service: DatabaseService = {
    name: 'main',
    schemas: [...schemas],
    pgSettingsKey: 'pgSettings',
    withPgClientKey: 'withPgClient',
    pgSettingsForIntrospection: { role: `${rolePrefix}_${introspectAs}` },
    adaptor,
    adaptorSettings: database,
  };
  return service;
}

/**
 * Runs PostGraphile's statements on the database, under the settings that come with each call.
 *
 * @param maxBytes most bytes that one statement may return; left out: no limit
 */
export function makeWithPgClient(database: CallerDatabase, maxBytes?: number): WithPgClient {
  return async (settings, callback) =>
    callback(settingsClient(database, (settings ?? {}) as TransactionSettings, maxBytes));
}

function settingsClient(
  database: CallerDatabase,
  settings: TransactionSettings,
  maxBytes: number | undefined,
): PgClient {
  return {
    query: <Row>(query: PgClientQuery) => database.queryWith<Row>(settings, statementOf(query, maxBytes)),
    withTransaction: (callback) =>
      database.transaction(settings, (transaction) => callback(transactionClient(transaction, maxBytes))),
  };
}

function transactionClient(transaction: Transaction, maxBytes: number | undefined): PgClient {
  return {
    query: <Row>(query: PgClientQuery) => transaction.query<Row>(statementOf(query, maxBytes)),
    withTransaction: (callback) =>
      transaction.savepoint((nested) => callback(transactionClient(nested, maxBytes))),
  };
}

/**
 * PostGraphile writes one statement per shape of a GraphQL operation, so all but the longest are worth preparing.
 * Each stays on every connection, and texts of unlimited length would fill the server's memory.
 */
function statementOf({ text, values, arrayMode }: PgClientQuery, maxBytes: number | undefined): Statement {
  return { text, values, arrayMode, prepare: text.length <= maxPreparedText, maxBytes };
}
