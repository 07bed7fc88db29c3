import type { MutateAction, ReadAction, CallAction } from '../plan/plan.ts';
import type { ApiRequest, Preferences } from '../request/query.ts';

/**
 * The value of Preference-Applied: the preferences that were honoured, limited to those that matter for the action
 * (PostgREST, Preferences). Null: none.
 */
export function preferenceApplied(
  plan: ReadAction | MutateAction | CallAction,
  { preferences, query }: ApiRequest,
): string | null {
  const insert = plan.kind === 'mutate' && plan.mutation === 'insert';
  const update = plan.kind === 'mutate' && plan.mutation === 'update';
  const remove = plan.kind === 'mutate' && plan.mutation === 'delete';
  const applied: string[] = [];
  const say = (name: string, value: string | number | null): void => {
    if (value !== null) applied.push(`${name}=${value}`);
  };
  if (insert && (hasPrimaryKey(plan) || query.onConflict !== null)) say('resolution', preferences.resolution);
  if (insert || update) say('missing', preferences.missing);
  if (plan.kind === 'mutate') say('return', returned[preferences.representation ?? 'unstated']);
  say('count', preferences.count);
  say('tx', preferences.transaction);
  say('handling', preferences.handling);
  say('timezone', preferences.timezone);
  if (preferences.handling === 'strict' && (update || remove || plan.kind === 'call')) {
    say('max-affected', preferences.maxAffected);
  }
  return applied.length > 0 ? applied.join(', ') : null;
}

const returned: Readonly<Record<NonNullable<Preferences['representation']> | 'unstated', string | null>> = {
  full: 'representation',
  'headers-only': 'headers-only',
  minimal: 'minimal',
  unstated: null,
};

function hasPrimaryKey({ mutatePlan }: MutateAction): boolean {
  return mutatePlan.kind === 'insert' && mutatePlan.primaryKey.length > 0;
}
