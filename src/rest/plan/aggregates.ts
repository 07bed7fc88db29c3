import { RestError } from '../errors.ts';
import type { AggregateFunction } from '../request/query.ts';
import type { PlannedSelect, ReadPlan, RelationSelect, SpreadSelect } from './plan.ts';

/**
 * Throws PGRST123 when any level aggregates, or filters by an aggregate, while that is not enabled. Throws PGRST127
 * for a condition on the aggregates of a spread, which has no groups of its own.
 */
export function checkAggregates(plan: ReadPlan, enabled: boolean): void {
  if (!enabled && (plan.having.length > 0 || plan.select.some(isAggregate))) {
    throw new RestError('PGRST123', 'Use of aggregate functions is not allowed');
  }
  if (plan.spread !== null && plan.having.length > 0) {
    throw new RestError('PGRST127', 'Feature not implemented', {
      details: `'having' is not implemented for spreads, such as '${plan.name}'.`,
    });
  }
  for (const embed of plan.embeds) checkAggregates(embed, enabled);
}

/** Whether rows stand for groups instead of the relation's rows. Expects a plan with its aggregates hoisted. */
export function isGrouped({ select, having, relationSelects }: ReadPlan): boolean {
  return having.length > 0 || [...select, ...relationSelects.flatMap(spreadSelects)].some(isAggregate);
}

/**
 * Hoists aggregates: in a to-one spread an aggregate would see a single row. So it moves up through the spreads to
 * the first level that is not a spread, and is grouped there (PostgREST, Aggregate Functions, Aggregates in to-one
 * spreads).
 */
export function withHoistedAggregates(plan: ReadPlan): ReadPlan {
  return hoisted(plan).plan;
}

/** An aggregate on its way up, with the alias of the spread that it is selected from by name. */
interface HoistedAggregate extends SpreadSelect {
  readonly from: string;
}

function hoisted(plan: ReadPlan): { plan: ReadPlan; aggregates: readonly HoistedAggregate[] } {
  const below = plan.embeds.map(hoisted);
  const embeds = below.map((embed) => embed.plan);
  const fromBelow = below.flatMap((embed) => embed.aggregates);
  if (plan.spread?.kind !== 'to-one') {
    const relationSelects = plan.relationSelects.map((select) => withAggregates(select, fromBelow));
    return { plan: { ...plan, embeds, relationSelects }, aggregates: [] };
  }
  const from = plan.aggregateAlias;
  return {
    plan: { ...plan, embeds, select: plan.select.map(withoutAggregate) },
    aggregates: [
      ...plan.select
        .filter(({ aggregate }) => aggregate !== null)
        .map((select) => aggregateFrom(select, from)),
      ...fromBelow.map((aggregate) => ({ ...aggregate, from })),
    ],
  };
}

function aggregateFrom(select: PlannedSelect, from: string): HoistedAggregate {
  const { field, alias, aggregate, aggregateCast } = select;
  return { from, name: alias ?? field.name, aggregate, aggregateCast, alias };
}

function withoutAggregate(select: PlannedSelect): PlannedSelect {
  return { ...select, aggregate: null, aggregateCast: null };
}

function withAggregates(relation: RelationSelect, aggregates: readonly HoistedAggregate[]): RelationSelect {
  if (relation.kind !== 'spread') return relation;
  const select = relation.select.map((selected): SpreadSelect => {
    const found = aggregates.find(
      ({ from, name }) => from === relation.aggregateAlias && name === selected.name,
    );
    if (found === undefined) return selected;
    const { aggregate, aggregateCast, alias } = found;
    return { ...selected, aggregate, aggregateCast, alias };
  });
  return { ...relation, select };
}

function isAggregate({ aggregate }: { readonly aggregate: AggregateFunction | null }): boolean {
  return aggregate !== null;
}

function spreadSelects(relation: RelationSelect): readonly SpreadSelect[] {
  return relation.kind === 'spread' ? relation.select : [];
}
