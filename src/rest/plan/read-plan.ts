import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import type { RestOptions } from '../options.ts';
import type { ApiRequest } from '../request/query.ts';
import { checkAggregates, withHoistedAggregates } from './aggregates.ts';
import { aliasGiver } from './alias.ts';
import { putInPlace } from './at-path.ts';
import { levelsOf } from './level.ts';
import { linkLevels } from './link-levels.ts';
import { withNullEmbeds } from './null-embed.ts';
import type { ReadPlan } from './plan.ts';
import { withRelatedOrders } from './related-order.ts';
import { withRelationSelects } from './relation-select.ts';
import { withSpreadOrders } from './spread.ts';

/** The part of the service's options that a read needs. */
export type ReadOptions = Pick<RestOptions, 'maxRows' | 'aggregatesEnabled' | 'legacyTargetNames'>;

/**
 * The levels of a read of `relation`, or of the rows that a write or call returns from it. The order of the steps
 * decides which error is reported: PGRST108, PGRST200 and PGRST201, PGRST118, PGRST123, PGRST127.
 */
export function planRead(
  relation: QualifiedName,
  request: ApiRequest,
  cache: SchemaCache,
  options: ReadOptions,
): ReadPlan {
  const { action, query } = request;
  const top = levelsOf(relation.name, query.select);
  putInPlace(top, request, options.legacyTargetNames);

  const giveAlias = aliasGiver();
  const fromSource = action.kind === 'mutate' || action.kind === 'call';
  const linked = linkLevels(top, relation, fromSource, { cache, giveAlias, schema: relation.schema });
  const referring = withRelationSelects(withNullEmbeds(withRelatedOrders(linked)));
  checkAggregates(referring, options.aggregatesEnabled);
  const plan = withSpreadOrders(withHoistedAggregates(referring), giveAlias);
  return action.kind === 'mutate' ? plan : withMaxRows(plan, options.maxRows);
}

/** Limits every level (PostgREST, Configuration, db-max-rows). The rows of a write are not limited. */
function withMaxRows(plan: ReadPlan, maxRows: number | null): ReadPlan {
  if (maxRows === null) return plan;
  const { offset, limit } = plan.range;
  return {
    ...plan,
    range: { offset, limit: limit === null ? maxRows : Math.min(limit, maxRows) },
    embeds: plan.embeds.map((embed) => withMaxRows(embed, maxRows)),
  };
}
