import { makeSchema } from 'postgraphile/graphile-build';
import { execute, subscribe } from 'postgraphile/grafast';
import type { DocumentNode, ExecutionResult } from 'postgraphile/graphql';
import type { Claims } from '../auth/claims.ts';
import type { Database } from '../db/database.ts';
import { sessionSettings } from '../db/session.ts';
import { makePrepareQuery } from './operation-cache.ts';
import type { PreparedQuery } from './operation-cache.ts';
import { makeWithPgClient } from './pg-service.ts';
import { makePreset } from './preset.ts';
import type { TaskEvents } from './task-events.ts';

/** One operation of one caller, ready to run. */
export interface Operation {
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  readonly operationName: string | undefined;
  readonly claims: Claims;
  readonly requestId: string;
}

/** The GraphQL schema of the database, and everything that runs against it. Holds nothing that needs closing. */
export interface GraphqlEngine {
  prepare(query: string): PreparedQuery;
  /** `data` of the result is JSON text already, not an object. */
  execute(operation: Operation): Promise<ExecutionResult> | ExecutionResult;
  /** An iterator of results, whose `data` are objects; or one result with errors when the subscription was refused. */
  subscribe(operation: Operation): Promise<AsyncIterable<ExecutionResult> | ExecutionResult>;
}

/** Introspects the database and builds the schema; takes about a second. */
export async function makeGraphqlEngine(
  database: Database,
  rolePrefix: string,
  taskEvents: TaskEvents,
): Promise<GraphqlEngine> {
  const { schema, resolvedPreset } = await makeSchema(makePreset(database, rolePrefix));
  const withPgClient = makeWithPgClient(database);
  // PostGraphile's hook that fills the context from a request is not used: it is these three, and always the same.
  const argumentsOf = ({ document, variables, operationName, claims, requestId }: Operation) => ({
    schema,
    document,
    variableValues: variables as Record<string, unknown> | undefined,
    operationName,
    resolvedPreset,
    middleware: null,
    requestContext: {},
    contextValue: {
      pgSettings: sessionSettings(claims, { rolePrefix, requestId }),
      withPgClient,
      taskSubscriber: taskEvents.subscriberOf(claims),
    },
  });
  return {
    prepare: makePrepareQuery(schema),
    execute: (operation) =>
      execute({ ...argumentsOf(operation), outputDataAsString: true }) as Promise<ExecutionResult>,
    subscribe: async (operation) =>
      (await subscribe(argumentsOf(operation))) as AsyncIterable<ExecutionResult> | ExecutionResult,
  };
}
