import type { PgAdaptor, PgClient, PgClientQuery, WithPgClient } from 'postgraphile/@dataplan/pg';
// Only for its types: it declares the keys of a GraphQL context that a service refers to. Nothing else in src/ imports it.
// oxlint-disable-next-line import/no-empty-named-blocks, unicorn/require-module-specifiers
import type {} from 'postgraphile/adaptors/pg';
import type { Database, Transaction, TransactionSettings } from '../db/database.ts';
import type { Statement } from '../db/statement.ts';

type DatabaseService = GraphileConfig.PgServiceConfiguration<'lightning/database'>;

/** What PostGraphile finds in a GraphQL context: the settings of one request and the way to run statements under them. */
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
 * PostGraphile's pg service over our Database: each query that PostGraphile plans is one implicit transaction and one
 * round trip, with role and claims in front of it. Several statements that belong together go through `withTransaction`;
 * statements of one `withPgClient` callback outside of it share nothing.
 *
 * Introspection reads the catalog as the anonymous role, so that the embedded database, whose login is a superuser,
 * shows the same schema as a server.
 */
export function makePgService(database: Database, rolePrefix: string): DatabaseService {
  const adaptor: PgAdaptor<'lightning/database'> = {
    createWithPgClient: makeWithPgClient,
    makePgService: () => service,
  };
  const service: DatabaseService = {
    name: 'main',
    schemas: ['app_public'],
    pgSettingsKey: 'pgSettings',
    withPgClientKey: 'withPgClient',
    pgSettingsForIntrospection: { role: `${rolePrefix}_anon` },
    adaptor,
    adaptorSettings: database,
  };
  return service;
}

/** Runs PostGraphile's statements on the database, under the settings that each call brings. */
export function makeWithPgClient(database: Database): WithPgClient {
  return async (settings, callback) =>
    callback(settingsClient(database, (settings ?? {}) as TransactionSettings));
}

function settingsClient(database: Database, settings: TransactionSettings): PgClient {
  return {
    query: <Row>(query: PgClientQuery) => database.queryWith<Row>(settings, statementOf(query)),
    withTransaction: (callback) =>
      database.transaction(settings, (transaction) => callback(transactionClient(transaction))),
  };
}

function transactionClient(transaction: Transaction): PgClient {
  return {
    query: <Row>(query: PgClientQuery) => transaction.query<Row>(statementOf(query)),
    withTransaction: (callback) => transaction.savepoint((nested) => callback(transactionClient(nested))),
  };
}

/** PostGraphile writes a statement once per shape of a GraphQL operation, so all of them are worth preparing. */
function statementOf({ text, values, arrayMode }: PgClientQuery): Statement {
  return { text, values, arrayMode, prepare: true };
}
