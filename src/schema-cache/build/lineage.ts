import type { ViewRuleRow } from '../catalog/view-rules.ts';
import { viewOrigins } from './view-origins.ts';
import type { ColumnOrigin } from './view-origins.ts';

/** Positions of the view's columns that show a column, in the view's order, by that column's position. */
export type ShownColumns = ReadonlyMap<number, readonly number[]>;

/** Views that show columns of a relation, directly or through other views: by the relation, then by the view. */
export type Lineage = ReadonlyMap<number, ReadonlyMap<number, ShownColumns>>;

/** Follows the columns of every view that is `wanted` down to the tables, and records each relation on the way. */
export function buildLineage(rules: readonly ViewRuleRow[], wanted: (view: number) => boolean): Lineage {
  const originsOf = new Map(rules.map((rule) => [rule.relation, viewOrigins(rule.tree)]));
  const lineage = new Map<number, Map<number, Map<number, number[]>>>();
  for (const [view, origins] of originsOf) {
    if (!wanted(view)) continue;
    for (const [position, origin] of origins) {
      for (const base of chain(origin, originsOf)) {
        const views = getOrMake(lineage, base.relation, () => new Map<number, Map<number, number[]>>());
        const shown = getOrMake(views, view, () => new Map<number, number[]>());
        getOrMake(shown, base.position, () => []).push(position);
      }
    }
  }
  return lineage;
}

/**
 * A chain of origins. It ends where it would repeat: `create or replace` can make a view select from itself
 * indirectly.
 */
function chain(first: ColumnOrigin, originsOf: ReadonlyMap<number, ReadonlyMap<number, ColumnOrigin>>) {
  const origins: ColumnOrigin[] = [];
  const seen = new Set<number>();
  for (
    let origin: ColumnOrigin | undefined = first;
    origin && !seen.has(origin.relation);
    origin = originsOf.get(origin.relation)?.get(origin.position)
  ) {
    seen.add(origin.relation);
    origins.push(origin);
  }
  return origins;
}

function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
