import type { Database, TransactionSettings } from '../db/database.ts';
import { scopedTo } from '../db/scoped-database.ts';
import type { ScopedDatabase } from '../db/scoped-database.ts';
import { anonymous } from './claims.ts';
import type { Claims } from './claims.ts';

/** What a request brings beside its claims. */
export interface RequestContext {
  /** The first part of the roles' names: `lightning` for `lightning_member` and its like. */
  readonly rolePrefix: string;
  /** Ends up in the audit log. */
  readonly requestId?: string | undefined;
  /** In place of the connection's own. */
  readonly statementTimeoutMs?: number | undefined;
}

/** How long a process may take for one of the looks that it repeats. */
const lookTimeoutMs = 5_000;

/** The database as somebody may use it: everything runs under the role and the tenant of these claims. */
export function asRequester(database: Database, claims: Claims, context: RequestContext): ScopedDatabase {
  return scopedTo(database, requesterSettings(claims, context));
}

/**
 * The database for looks at what has changed, which nobody asked for: a look that takes too long is given up for the next one.
 * The embedded database ends a statement together with its engine, so a look there has the usual time.
 */
export function asObserver(database: Database, rolePrefix: string): ScopedDatabase {
  const statementTimeoutMs = database.kind === 'server' ? lookTimeoutMs : undefined;
  return asRequester(database, anonymous, { rolePrefix, statementTimeoutMs });
}

/**
 * The connection settings that claims amount to. Policies read `app.tenant_id`; functions may read `request.jwt.claims`, as in
 * PostgREST. Every setting is always there: the connection's last user would have left an absent one.
 */
export function requesterSettings(claims: Claims, context: RequestContext): TransactionSettings {
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
