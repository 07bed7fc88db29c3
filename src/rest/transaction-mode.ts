import type { TransactionMode } from '../db/database.ts';
import type { RoleSettings } from '../schema-cache/schema-cache.ts';
import type { RestOptions } from './options.ts';
import type { CallAction, MutateAction, ReadAction } from './plan/plan.ts';
import type { ApiRequest } from './request/query.ts';

/**
 * How a request's transaction differs from the usual one; undefined: it does not. The isolation level comes from the
 * function or the role (PostgREST, Transactions, Isolation Level). The options decide how it ends, or the caller if
 * they allow that.
 */
export function transactionMode(
  plan: ReadAction | MutateAction | CallAction,
  { preferences }: Pick<ApiRequest, 'preferences'>,
  roleSettings: RoleSettings | undefined,
  { transactionEnd }: Pick<RestOptions, 'transactionEnd'>,
): TransactionMode | undefined {
  const ofFunction = plan.kind === 'call' ? plan.callPlan.routine.isolationLevel : null;
  const isolationLevel = ofFunction ?? roleSettings?.isolationLevel ?? null;
  const rollback = rollsBack(transactionEnd, preferences.transaction);
  if (isolationLevel === null && !rollback) return undefined;
  return { isolationLevel, end: rollback ? 'rollback' : 'commit' };
}

function rollsBack(
  transactionEnd: RestOptions['transactionEnd'],
  preferred: ApiRequest['preferences']['transaction'],
): boolean {
  switch (transactionEnd) {
    case 'commit':
      return false;
    case 'commit-allow-override':
      return preferred === 'rollback';
    case 'rollback':
      return true;
    case 'rollback-allow-override':
      return preferred !== 'commit';
    default:
      return transactionEnd satisfies never;
  }
}
