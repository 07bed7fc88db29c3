import { constant, sideEffect } from 'postgraphile/grafast';
import type { PgSelectStep } from 'postgraphile/@dataplan/pg';
import { wrapPlans } from 'postgraphile/utils';
import { AppError } from '../../errors.ts';

/**
 * Refuses `groupedAggregates` of more groups than a list may have rows. Groups have no pages and no order of their own, so a
 * part of them would be an arbitrary one. Postgres stops at the first group too many.
 */
export function makeLimitGroupsPlugin(most: number): GraphileConfig.Plugin {
  return wrapPlans(
    // Null rather than false: this function expects null for "do not wrap".
    ({ scope }) => (scope.fieldName === 'groupedAggregates' ? true : null),
    () => (plan) => {
      const $groups = plan() as PgSelectStep;
      $groups.setFirst(constant(most + 1));
      sideEffect($groups, (result) => {
        // The step's result is an object with the rows as its items.
        const { items } = result as unknown as { readonly items: readonly unknown[] };
        if (items.length <= most) return;
        throw new AppError('PAGE_TOO_LARGE', `groupedAggregates would have more than ${most} groups`, {
          hint: 'Filter the list, or group by what has fewer values.',
        });
      });
      return $groups;
    },
  );
}
