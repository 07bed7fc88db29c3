import { RestError } from '../errors.ts';
import type { Action, AtPath, EmbedPath, Query, RowRange } from '../request/query.ts';
import type { Level } from './level.ts';
import { nameOfEmbed } from './level.ts';

/** The parts of a request that refer to its levels. */
export interface SaidOfLevels {
  readonly action: Action;
  readonly query: Query;
  readonly topRange: RowRange;
}

/**
 * Puts filters, orders, ranges and the rest at the levels that they belong to. In a write, the top level's filters
 * choose what is written (mutate-plan.ts) and are left out here, and ranges are ignored. Throws PGRST108 for a path
 * that is not embedded.
 *
 * An embed that anything refers to moves to the front of its siblings, which shows in the order of CSV columns. The
 * last part of the request is placed first, as in PostgREST.
 */
export function putInPlace(
  top: Level,
  { action, query, topRange }: SaidOfLevels,
  legacyNames: boolean,
): void {
  const ofRows = action.kind === 'read' || action.kind === 'call';
  const put = <T>(said: readonly AtPath<T>[], change: (level: Level, value: T) => void): void => {
    for (const { path, value } of said.toReversed()) change(levelAt(top, path, legacyNames), value);
  };

  put(ofRows ? query.filters : query.filters.filter(isOfEmbed), (level, filter) =>
    level.filters.unshift(filter),
  );
  put(query.order, (level, order) => {
    level.order = order;
  });
  if (action.kind !== 'mutate') {
    top.range = topRange;
    put(query.ranges.filter(isOfEmbed), (level, range) => {
      level.range = range;
    });
  }
  put(ofRows ? query.logic : query.logic.filter(isOfEmbed), (level, tree) => level.logic.unshift(tree));
  put(query.having, (level, tree) => level.having.unshift(tree));
  top.distinct = query.distinct;
}

function isOfEmbed({ path }: { readonly path: EmbedPath }): boolean {
  return path.length > 0;
}

function levelAt(top: Level, path: EmbedPath, legacyNames: boolean): Level {
  let level = top;
  for (const target of path) {
    const embed = level.embeds.find((candidate) => answersTo(candidate, target, legacyNames));
    if (embed === undefined)
      throw notEmbedded(target, legacyNames ? undefined : aliasedAwayFrom(level, target));
    if (embed.name === target && embed.alias !== null && embed.alias !== target)
      embed.legacyTargetName = true;
    level.embeds.splice(level.embeds.indexOf(embed), 1);
    level.embeds.unshift(embed);
    level = embed;
  }
  return level;
}

function answersTo(embed: Level, target: string, legacyNames: boolean): boolean {
  if (legacyNames) return embed.name === target || embed.alias === target;
  return nameOfEmbed(embed) === target;
}

function aliasedAwayFrom(level: Level, target: string): Level | undefined {
  return level.embeds.find((embed) => embed.name === target && embed.alias !== null);
}

/** PGRST108. `aliased` is the embed that was meant, if only its alias may name it. */
export function notEmbedded(target: string, aliased?: Level): RestError {
  const message = `'${target}' is not an embedded resource in this request`;
  if (aliased?.alias == null) {
    return new RestError('PGRST108', message, {
      hint: `Verify that '${target}' is included in the 'select' query parameter.`,
    });
  }
  return new RestError('PGRST108', message, {
    details: 'Target names are not allowed in filters if they have an alias',
    hint: `Change '${aliased.name}' to '${aliased.alias}' in filters, orders or limits.`,
  });
}
