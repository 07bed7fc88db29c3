import { RestError } from '../errors.ts';
import { isGrouped } from './aggregates.ts';
import type { AliasGiver } from './alias.ts';
import type { PlannedOrder, PlannedSelect, ReadPlan, Spread } from './plan.ts';
import { unknownField } from './resolve-field.ts';

/**
 * Turns the rows of a to-many spread into arrays, one per column. The order of the rows moves into the arrays, and
 * the fields that it orders by are selected too. Throws PGRST127 for aggregates there, which PostgREST does not
 * support either.
 */
export function withSpreadOrders(plan: ReadPlan, giveAlias: AliasGiver): ReadPlan {
  const spread = plan.spread?.kind === 'to-many' ? orderedSpread(plan, giveAlias) : plan.spread;
  return {
    ...plan,
    spread,
    order: spread?.kind === 'to-many' ? [] : plan.order,
    embeds: plan.embeds.map((embed) => withSpreadOrders(embed, giveAlias)),
  };
}

function orderedSpread(plan: ReadPlan, giveAlias: AliasGiver): Spread {
  if (isGrouped(plan)) {
    throw new RestError('PGRST127', 'Feature not implemented', {
      details: 'Aggregates are not implemented for one-to-many or many-to-many spreads.',
    });
  }
  const terms = plan.order.map((term, index) => {
    const name = giveAlias(`${plan.aggregateAlias}_${term.field.name}_${index + 1}`);
    return { extra: extraSelect(term, name), order: orderBy(term, name) };
  });
  return {
    kind: 'to-many',
    extraSelect: terms.map(({ extra }) => extra),
    order: terms.map(({ order }) => order),
  };
}

function extraSelect(
  term: PlannedOrder,
  alias: string,
): (Spread & { kind: 'to-many' })['extraSelect'][number] {
  const field =
    term.kind === 'field' ? term.field : { ...unknownField(term.field.name), jsonPath: term.field.jsonPath };
  const select: PlannedSelect = { field, aggregate: null, aggregateCast: null, cast: null, alias };
  return { alias: term.kind === 'relation' ? term.relation : null, select };
}

function orderBy({ direction, nulls }: PlannedOrder, name: string): PlannedOrder {
  return { kind: 'field', field: unknownField(name), direction, nulls };
}
