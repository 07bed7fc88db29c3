import type { PlannedLogic, ReadPlan } from '../plan/plan.ts';
import type { ApiRequest } from '../request/query.ts';
import { countMethod } from '../count-method.ts';
import type { RestOptions } from '../options.ts';
import { condition, logicTree } from './filters.ts';
import { fragment, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';
import { all, fromClause, joinCondition, limitTo, readQuery, relationOf } from './read.ts';

/**
 * The total number of rows, whatever the range: an expression of type bigint. It is `pageCount` if the range leaves
 * no rows out, so that nothing is counted twice. With `count=estimated`, counting stops after the largest page: a
 * larger total is estimated. PostgREST, Pagination and Count.
 */
export function totalCount(
  plan: ReadPlan,
  request: Pick<ApiRequest, 'preferences' | 'topRange'>,
  options: Pick<RestOptions, 'maxRows' | 'plannerCounts'>,
  pageCount: Fragment,
): Fragment {
  const count = countMethod(request.preferences, options);
  if (count !== 'exact' && count !== 'estimated') return verbatim('null::bigint');
  const { offset, limit } = request.topRange;
  if (options.maxRows === null && offset === 0 && limit === null) return pageCount;
  const most = count === 'estimated' && options.maxRows !== null ? options.maxRows + 1 : null;
  return fragment`(select count(*) from (${matchingRows(plan)}${limitTo(most)}) as counted)`;
}

/**
 * A `select` of nothing for every matching row. Embeds matter only where they filter. They then do so by `exists`,
 * because a join would count a row once for each embedded row. If rows are grouped or distinct, the groups or
 * distinct rows count.
 */
export function matchingRows(plan: ReadPlan): Fragment {
  if (plan.distinct !== null || plan.having.length > 0)
    return readQuery({ ...plan, order: [], range: { offset: 0, limit: null } });
  return fragment`select${fromClause(plan)}${all([
    ...plan.where.map((tree) => countCondition(plan, tree)),
    ...plan.joinConditions.map(joinCondition),
    ...plan.embeds
      .filter(({ join }) => join === 'inner')
      .map((embed) => fragment`exists (${matchingRows(embed)})`),
  ])}`;
}

/** A condition for counting. Counting joins no embeds, so whether one is empty has to be asked differently. */
function countCondition(plan: ReadPlan, tree: PlannedLogic): Fragment {
  return logicTree(tree, (filter) => {
    const embed =
      filter.kind === 'null-embed'
        ? plan.embeds.find(({ aggregateAlias }) => aggregateAlias === filter.aggregateAlias)
        : undefined;
    if (filter.kind !== 'null-embed' || !embed) return condition(relationOf(plan), filter);
    return fragment`${verbatim(filter.negated ? '' : 'not ')}exists (${matchingRows(embed)})`;
  });
}
