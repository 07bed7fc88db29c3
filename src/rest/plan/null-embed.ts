import { isToOne } from '../../schema-cache/relationship.ts';
import { nameOfEmbed } from './level.ts';
import { mapLeaves } from './logic.ts';
import type { PlannedFilter, ReadPlan } from './plan.ts';

/**
 * Resolves `relation=is.null` and its negation, which ask whether an embed found a row (PostgREST, Resource
 * Embedding, Null filtering).
 */
export function withNullEmbeds(plan: ReadPlan): ReadPlan {
  const where = plan.where.map((tree) => mapLeaves(tree, (filter) => nullEmbed(plan.embeds, filter)));
  return { ...plan, where, embeds: plan.embeds.map(withNullEmbeds) };
}

function nullEmbed(embeds: readonly ReadPlan[], filter: PlannedFilter): PlannedFilter {
  if (filter.kind !== 'field' || filter.field.jsonPath.length > 0) return filter;
  const { operation, negated } = filter.expression;
  if (operation.kind !== 'is' || (operation.value !== 'null' && operation.value !== 'not_null'))
    return filter;
  const embed = embeds.find((candidate) => nameOfEmbed(candidate) === filter.field.name);
  if (embed === undefined) return filter;
  return {
    kind: 'null-embed',
    negated: negated !== (operation.value === 'not_null'),
    aggregateAlias: embed.aggregateAlias,
    isArray:
      embed.spread === null
        ? embed.relationship !== null && !isToOne(embed.relationship)
        : embed.spread.kind === 'to-many',
  };
}
