import { anonymous } from '../auth/claims.ts';
import type { Claims } from '../auth/claims.ts';
import type { Database, Executor, Transaction, TransactionMode, TransactionSettings } from './database.ts';
import type { Statement, StatementResult } from './statement.ts';

/** The database as somebody may use it: everything runs under their role and tenant, and under nothing else. */
export interface Session extends Executor {
  /** One statement after the other, in one transaction and one round trip: `Database.batch`. */
  batch(
    statements: readonly Statement[],
    mode?: TransactionMode,
  ): Promise<readonly StatementResult<unknown>[]>;
  /** Runs several statements in one transaction. Rolls back when `work` throws. */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
}

/** What a request brings beside its claims. */
export interface RequestContext {
  /** Of the roles' names: `lightning` for `lightning_member` and its like. */
  readonly rolePrefix: string;
  /** Ends up in the audit log. */
  readonly requestId?: string | undefined;
  /** In place of the connection's own. */
  readonly statementTimeoutMs?: number | undefined;
}

/** Of a process that looks again and again for what has changed. */
const lookTimeoutMs = 5_000;

/**
 * A session for looks at what has changed, which somebody waits for without asking: a look that takes too long is given up for
 * the next one. The embedded database ends a statement together with its engine, so that a look there has the usual time.
 */
export function lookingSession(database: Database, rolePrefix: string): Session {
  const statementTimeoutMs = database.kind === 'server' ? lookTimeoutMs : undefined;
  return withSession(database, anonymous, { rolePrefix, statementTimeoutMs });
}

/**
 * The one way into the database: REST, GraphQL, jobs, the CLI and tests all come through here. A single statement costs
 * one round trip, the role and claims included.
 */
export function withSession(database: Database, claims: Claims, context: RequestContext): Session {
  return openSession(database, sessionSettings(claims, context));
}

/** A session of settings that are made elsewhere: REST serves databases whose roles and claims are not ours. */
export function openSession(database: Database, settings: TransactionSettings): Session {
  return {
    query: <Row>(statement: Statement): Promise<StatementResult<Row>> =>
      database.queryWith<Row>(settings, statement),
    batch: (statements, mode) => database.batch(settings, statements, mode),
    transaction: (work) => database.transaction(settings, work),
  };
}

/**
 * The settings that claims amount to. Policies read `app.tenant_id`; functions may read `request.jwt.claims`, as in
 * PostgREST. All are always set: what an absent one would leave is what the connection's last user left.
 */
export function sessionSettings(claims: Claims, context: RequestContext): TransactionSettings {
  return {
    role: `${context.rolePrefix}_${claims.role}`,
    'app.tenant_id': claims.tenantId ?? '',
    'request.jwt.claims': claims.json,
    'app.request_id': context.requestId ?? '',
    ...(context.statementTimeoutMs !== undefined && {
      statement_timeout: String(context.statementTimeoutMs),
    }),
  };
}
