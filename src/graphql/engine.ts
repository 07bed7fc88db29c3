import { execute, subscribe } from 'postgraphile/grafast';
import { GraphQLError, getOperationAST } from 'postgraphile/graphql';
import type { DocumentNode, ExecutionResult } from 'postgraphile/graphql';
import type { Claims } from '../auth/claims.ts';
import type { TransactionSettings } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import { requesterSettings } from '../auth/requester.ts';
import { EmbeddingError } from '../embeddings/embedding-client.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import { queryEmbeddingSettings } from '../embeddings/query-embeddings.ts';
import { AppError } from '../errors.ts';
import type { LiveChanges } from '../live/live-changes.ts';
import type { Log } from '../log.ts';
import { budgetFor } from '../request-budget.ts';
import type { PageSizes, RequestBudget, RequestBudgets } from '../request-budget.ts';
import { claimsOfViewer } from '../live/read-rows.ts';
import { isLargerThan } from './cost/answer-size.ts';
import { changeSubscriber } from './change-subscriber.ts';
import type { Exposure } from './exposure.ts';
import { HeldSnapshots } from './held-snapshots.ts';
import { introspectionRefusal } from './introspection.ts';
import { FollowedSchema } from './followed-schema.ts';
import type { PreparedQuery } from './operation-cache.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import { makeWithPgClient } from './pg-service.ts';
import { withRefusedArguments } from './refused-argument.ts';
import { buildSnapshot } from './schema-snapshot.ts';
import type { SchemaSnapshot } from './schema-snapshot.ts';
import { searchTextsOf } from './search-texts.ts';
import { shareReads } from './shared-reads.ts';

/** Limits on what requests may cost. */
export interface GraphqlLimits {
  readonly budgets: RequestBudgets;
  readonly pages: PageSizes;
  /** Whether requests without a token may read the schema. */
  readonly showsSchemaToAll: boolean;
}

/** One operation of one caller, ready to run. */
export interface Operation {
  /** The schema that it was prepared with. */
  readonly snapshot: SchemaSnapshot;
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  /** Counted by `prepare`. */
  readonly fields: number;
  readonly operationName: string | undefined;
  readonly claims: Claims;
  readonly requestId: string;
  /** Aborts when nobody waits for the result any longer. Subscriptions end by their iterator, and have none. */
  readonly left?: AbortSignal;
}

/** A request that may run, and the schema that it runs on; or the errors that keep it from running. */
export type PreparedOperation = PreparedQuery & { readonly snapshot: SchemaSnapshot };

/** The GraphQL schema of the database, and everything that runs against it. Close it before the database. */
export interface GraphqlEngine {
  /** Decides whether the request may run, before anything is planned or sent to the database. */
  prepare(request: GraphqlRequest, claims: Claims): PreparedOperation;
  /** A result larger than the caller's budget has no `data`, but the error ANSWER_TOO_LARGE. */
  execute(operation: Operation): Promise<ExecutionResult> | ExecutionResult;
  /**
   * An iterator of results, each with an object as `data`; or a single result with errors if the subscription was
   * refused.
   */
  subscribe(operation: Operation): Promise<AsyncIterable<ExecutionResult> | ExecutionResult>;
  /** Asks for a look at the catalog; a changed one makes a new schema. Running operations keep theirs. */
  reload(): void;
  /** Stops following the catalog. */
  close(): Promise<void>;
}

/** Introspects the database and builds the schema; takes about a second. Rejects when that fails. */
export async function makeGraphqlEngine(
  installation: Installation,
  exposure: Exposure,
  live: LiveChanges,
  embed: Embed | null,
  { budgets, pages, showsSchemaToAll }: GraphqlLimits,
  log: Log,
): Promise<GraphqlEngine> {
  const { database, rolePrefix } = installation;
  const followed = await FollowedSchema.open(
    (known) => buildSnapshot(installation, pages, exposure, known?.fingerprint ?? null),
    log,
  );
  const held = new HeldSnapshots(() => ({ errors: [schemaChanged()] }));
  followed.onReplaced = (current) => held.giveUpOldest(current);
  // PostGraphile's hook that fills the context from a request is not used: the context is these three, and always the
  // same.
  const argumentsOf = (
    { snapshot, document, variables, fields, operationName, claims, requestId, left }: Operation,
    furtherSettings: TransactionSettings = {},
  ) => ({
    schema: snapshot.schemaFor(fields),
    document,
    variableValues: variables as Record<string, unknown> | undefined,
    operationName,
    resolvedPreset: snapshot.resolvedPreset,
    middleware: null,
    requestContext: {},
    contextValue: {
      pgSettings: { ...requesterSettings(claims, { rolePrefix, requestId }), ...furtherSettings },
      withPgClient: makeWithPgClient(
        left === undefined ? database : database.until(left),
        budgetFor(budgets, claims.role === 'anon').answerBytes,
      ),
      changeSubscriber: changeSubscriber(live, claims),
    },
  });
  // An event's rows are read with role and tenant but without the person: one read serves everybody who may see the row.
  const shared = shareReads(makeWithPgClient(database, budgets.identified.answerBytes));
  const eventContextOf = ({ role, tenantId }: Claims) =>
    tenantId === null
      ? {}
      : {
          pgSettings: requesterSettings(claimsOfViewer({ role, tenantId }), { rolePrefix }),
          withPgClient: shared,
        };
  const subscriptionOf = (operation: Operation) => {
    const usual = argumentsOf(operation);
    return { ...usual, contextValue: { ...usual.contextValue, ...eventContextOf(operation.claims) } };
  };
  return {
    prepare: (request, claims) => {
      const snapshot = followed.current;
      const isAnonymous = claims.role === 'anon';
      const prepared = snapshot.prepare(request, budgetFor(budgets, isAnonymous));
      const strangers =
        isAnonymous && !showsSchemaToAll && !prepared.errors ? introspectionRefusal(prepared.document) : null;
      return strangers === null ? { ...prepared, snapshot } : { errors: [strangers], snapshot };
    },
    execute: (operation) => {
      const run = (furtherSettings?: TransactionSettings) =>
        withinBudget(
          execute(argumentsOf(operation, furtherSettings)) as Promise<ExecutionResult> | ExecutionResult,
          operation,
          budgetFor(budgets, operation.claims.role === 'anon'),
        ).then((result) =>
          withRefusedArguments(operation.snapshot.schemaFor(operation.fields), operation, result),
        );
      const texts = embed && operation.claims.role !== 'anon' ? searchTextsOf(operation) : [];
      if (texts.length === 0) return run();
      return queryEmbeddingSettings(embed, texts).then(run, (error: unknown) => ({
        errors: [refusal(error)],
      }));
    },
    subscribe: async (operation) => {
      const results = (await subscribe(subscriptionOf(operation))) as
        AsyncIterable<ExecutionResult> | ExecutionResult;
      return Symbol.asyncIterator in results ? held.hold(operation.snapshot, results) : results;
    },
    reload: () => followed.reload(),
    close: () => followed.close(),
  };
}

/**
 * The result, or an error in its place if it is too large. Takes an object, although grafast can also produce text: the
 * size of an object's text is known before that text fills the memory.
 */
async function withinBudget(
  running: Promise<ExecutionResult> | ExecutionResult,
  { document, operationName }: Operation,
  { answerBytes }: RequestBudget,
): Promise<ExecutionResult> {
  const result = await running;
  if (!isLargerThan(result.data, answerBytes)) return result;
  const wasDone = getOperationAST(document, operationName)?.operation === 'mutation';
  const error = new AppError('ANSWER_TOO_LARGE', `the answer has more than ${answerBytes} bytes`, {
    hint: `${wasDone ? 'The mutations were carried out. ' : ''}Ask for fewer rows, or fewer of their columns.`,
  });
  return { errors: [new GraphQLError(error.message, { originalError: error })] };
}

function schemaChanged(): GraphQLError {
  const error = new AppError(
    'SCHEMA_CHANGED',
    'the schema changed several times since this subscription began',
    {
      hint: 'Subscribe again, and query again what you show.',
    },
  );
  return new GraphQLError(error.message, { originalError: error });
}

/** The error for a search text that got no embedding. Throws any error that is not about embeddings. */
function refusal(error: unknown): GraphQLError {
  if (!(error instanceof EmbeddingError)) throw error;
  const { message } = error;
  const originalError =
    error.reason === 'refused'
      ? new AppError('BAD_USER_INPUT', message, { cause: error })
      : new AppError('EMBEDDINGS_UNAVAILABLE', message, {
          cause: error,
          hint: 'Try again in a few seconds.',
        });
  return new GraphQLError(message, { originalError });
}
