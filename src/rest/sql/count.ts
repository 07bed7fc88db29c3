import type { PlannedLogic, ReadPlan } from '../plan/plan.ts';
import type { ApiRequest } from '../request/query.ts';
import { countMethod } from '../count-method.ts';
import type { RestOptions } from '../options.ts';
import { condition, logicTree } from './filters.ts';
import { fragment, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';
import { all, fromClause, joinCondition, limitTo, readQuery, relationOf } from './read.ts';

/**
 * How many rows there are in all, whatever the range: an expression of type bigint. `pageCount` where the range leaves
 * nothing out, so that nothing is counted twice. With `count=estimated` counting ends behind the largest page: more than
 * that is estimated. PostgREST, Pagination and Count.
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
 * A `select` of nothing for every row that matches. Embeds only count where they filter: then by `exists`, because a
 * join would count a row once for each row it leads to. Of groups and of distinct rows it is these that count.
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

/** No embed is joined when rows are counted, so that one is empty has to be asked in another way. */
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
