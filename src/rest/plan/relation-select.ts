import type { Relationship } from '../../schema-cache/relationship.ts';
import { isToOne } from '../../schema-cache/relationship.ts';
import { nameOfEmbed } from './level.ts';
import type { ReadPlan, RelationSelect, SpreadSelect } from './plan.ts';

/** Adds to every level what its embeds contribute to its select list, in their order. */
export function withRelationSelects(plan: ReadPlan): ReadPlan {
  const embeds = plan.embeds.map(withRelationSelects);
  const relationSelects = embeds.flatMap((embed) =>
    embed.relationship === null ? [] : [relationSelect(embed, embed.relationship)],
  );
  return { ...plan, embeds, relationSelects };
}

function relationSelect(embed: ReadPlan, relationship: Relationship): RelationSelect {
  const { aggregateAlias } = embed;
  if (embed.spread !== null) return { kind: 'spread', aggregateAlias, select: spreadSelects(embed) };
  return {
    kind: 'json',
    name: nameOfEmbed(embed),
    aggregateAlias,
    mode: isToOne(relationship) ? 'object' : 'array',
    empty: selectsNothing(embed),
  };
}

function selectsNothing({ select, embeds }: ReadPlan): boolean {
  return select.length === 0 && embeds.every(selectsNothing);
}

/** The columns that the level above selects from a spread: all of them by name, including those of its own spreads. */
function spreadSelects({ select, relationSelects }: ReadPlan): SpreadSelect[] {
  return [
    ...select.map(({ field, alias }) => byName(alias ?? field.name)),
    ...relationSelects.flatMap((selected) => {
      if (selected.kind === 'spread') return selected.select;
      return selected.empty ? [] : [byName(selected.name)];
    }),
  ];
}

function byName(name: string): SpreadSelect {
  return { name, aggregate: null, aggregateCast: null, alias: null };
}
