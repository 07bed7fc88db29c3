import { isToOne } from '../../schema-cache/relationship.ts';
import { RestError } from '../errors.ts';
import { notEmbedded } from './at-path.ts';
import { nameOfEmbed } from './level.ts';
import { relationNameOf } from './link-levels.ts';
import type { PlannedOrder, ReadPlan } from './plan.ts';

/**
 * Gives the embed's alias to orders by a field of an embed (PostgREST, Resource Embedding, Top-level Ordering). Throws
 * PGRST108 if it is not embedded, PGRST118 if it is not to-one.
 */
export function withRelatedOrders(plan: ReadPlan): ReadPlan {
  const order = plan.order.map((term) => (term.kind === 'relation' ? relatedOrder(plan, term) : term));
  return { ...plan, order, embeds: plan.embeds.map(withRelatedOrders) };
}

function relatedOrder(plan: ReadPlan, term: PlannedOrder & { kind: 'relation' }): PlannedOrder {
  const embed = plan.embeds.find((candidate) => nameOfEmbed(candidate) === term.relation);
  if (embed === undefined) throw notEmbedded(term.relation);
  if (embed.relationship === null || !isToOne(embed.relationship)) {
    throw new RestError('PGRST118', `A related order on '${term.relation}' is not possible`, {
      details: `'${relationNameOf(plan)}' and '${term.relation}' do not form a many-to-one or one-to-one relationship`,
    });
  }
  return { ...term, relation: embed.aggregateAlias };
}
