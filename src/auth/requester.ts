import type { TransactionSettings } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import { scopedTo } from '../db/scoped-database.ts';
import type { ScopedDatabase } from '../db/scoped-database.ts';
import { anonymous } from './claims.ts';
import type { Claims } from './claims.ts';

/** The part of a request's connection settings that does not come from its claims. */
export interface RequestContext {
  readonly rolePrefix: Installation['rolePrefix'];
  /** Recorded in the audit log. */
  readonly requestId?: string | undefined;
  /** Replaces the connection's own timeout. */
  readonly statementTimeoutMs?: number | undefined;
}

/** Longest time for one of a process's recurring looks at the database. */
const lookTimeoutMs = 5_000;

/** The installation with a requester's rights: every statement runs under the role and the tenant of these claims. */
export function asRequester(
  { database, rolePrefix }: Installation,
  claims: Claims,
  context: Omit<RequestContext, 'rolePrefix'> = {},
): ScopedDatabase {
  return scopedTo(database, requesterSettings(claims, { ...context, rolePrefix }));
}

/**
 * The installation for the process's own looks at what has changed. A look that takes too long is given up in
 * favour of the next one. The embedded database ends a statement together with its engine, so a look there gets
 * the usual time.
 */
export function asObserver(installation: Installation): ScopedDatabase {
  const statementTimeoutMs = installation.database.kind === 'server' ? lookTimeoutMs : undefined;
  return asRequester(installation, anonymous, { statementTimeoutMs });
}

/**
 * The connection settings for these claims. Policies read `app.tenant_id`; functions may read
 * `request.jwt.claims`, as in PostgREST. Every setting is always included, because an absent one would keep the
 * value of the connection's last user.
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
