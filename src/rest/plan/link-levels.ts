import type { QualifiedName } from '../../schema-cache/identifier.ts';
import { isToOne } from '../../schema-cache/relationship.ts';
import type { Relationship } from '../../schema-cache/relationship.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import type { LogicTree, OrderTerm } from '../request/query.ts';
import type { AliasGiver } from './alias.ts';
import { findRelationship } from './find-relationship.ts';
import { joinConditions } from './join-conditions.ts';
import type { Level } from './level.ts';
import { nameOfEmbed } from './level.ts';
import { asLeaf, mapLeaves } from './logic.ts';
import type { PlannedFilter, PlannedHaving, PlannedLogic, PlannedOrder, ReadPlan, Spread } from './plan.ts';
import { sourceName } from './plan.ts';
import type { FieldResolver } from './resolve-field.ts';
import { fieldResolver } from './resolve-field.ts';
import { plannedSelect } from './select-fields.ts';

/** The surroundings in which linking looks up names. */
export interface LinkContext {
  readonly cache: SchemaCache;
  readonly giveAlias: AliasGiver;
  /** The request's schema, in which relationships are searched. */
  readonly schema: string;
}

/**
 * Looks up the relation, relationship and fields of every level. `fromSource`: the top level's rows come from a write
 * or a call, and `relation` says what they are. Throws PGRST200 and PGRST201, for the outermost and leftmost level
 * first.
 */
export function linkLevels(
  top: Level,
  relation: QualifiedName,
  fromSource: boolean,
  context: LinkContext,
): ReadPlan {
  const placed: PlacedLevel = {
    from: fromSource ? { schema: '', name: sourceName } : relation,
    fromAlias: fromSource ? relation.name : null,
    aggregateAlias: '',
    relationship: null,
    computedArgument: null,
    joinConditions: [],
    spread: null,
  };
  return planOf(top, placed, fieldResolver(context.cache, relation), false, context);
}

type PlacedLevel = Pick<
  ReadPlan,
  'from' | 'fromAlias' | 'aggregateAlias' | 'relationship' | 'computedArgument' | 'joinConditions' | 'spread'
>;

function planOf(
  level: Level,
  placed: PlacedLevel,
  resolver: FieldResolver,
  aggregatedAbove: boolean,
  context: LinkContext,
): ReadPlan {
  const namesColumns =
    aggregatedAbove || level.having.length > 0 || aggregates(level) || placed.spread?.kind === 'to-many';
  return {
    ...placed,
    select: plannedSelect(level.select, { resolver, spread: level.spread, namesColumns }),
    where: [...level.logic, ...level.filters.map(asLeaf)].map((tree) => filteredLogic(tree, resolver)),
    order: level.order.map((term) => plannedOrder(term, resolver)),
    range: level.range,
    distinct: level.distinct,
    having: level.having.map((tree) => plannedHaving(tree, resolver)),
    name: level.name,
    alias: level.alias,
    hint: level.hint,
    join: level.join,
    relationSelects: [],
    depth: level.depth,
    legacyTargetName: level.legacyTargetName,
    embeds: level.embeds.map((embed) => linkedEmbed(embed, placed, namesColumns, context)),
  };
}

/** Whether the level aggregates, itself or through a spread whose aggregates move up to it. */
function aggregates({ select, embeds }: Level): boolean {
  return (
    select.some(({ aggregate }) => aggregate !== null) ||
    embeds.some((embed) => embed.spread && aggregates(embed))
  );
}

function linkedEmbed(
  embed: Level,
  parent: PlacedLevel,
  namesColumns: boolean,
  context: LinkContext,
): ReadPlan {
  const { cache, giveAlias, schema } = context;
  const relationship = findRelationship(cache, {
    // A deeper level goes by the table that it was resolved to. At the top of a write, the alias is the table.
    origin: relationNameOf(parent),
    target: embed.name,
    hint: embed.hint,
    schema,
  });
  const { table, foreignTable } = relationship;
  const fromAlias = isOverJunction(relationship) ? null : giveAlias(`${foreignTable.name}_${embed.depth}`);
  const placed: PlacedLevel = {
    from: foreignTable,
    fromAlias,
    aggregateAlias: giveAlias(`${table.name}_${nameOfEmbed(embed)}_${embed.depth}`),
    relationship,
    computedArgument: relationship.kind === 'computed' ? argumentOf(parent, table) : null,
    joinConditions: joinConditions(relationship, { own: fromAlias, parent: parent.fromAlias }),
    spread: embed.spread ? spreadOf(relationship) : null,
  };
  return planOf(embed, placed, fieldResolver(cache, foreignTable), namesColumns, context);
}

/** The table's name as relationships and errors know it, also where the rows come from a write or a call. */
export function relationNameOf({ from, fromAlias }: Pick<ReadPlan, 'from' | 'fromAlias'>): string {
  return from.schema === '' ? (fromAlias ?? from.name) : from.name;
}

/**
 * Whether the relationship leads over a junction. Both its tables are then joined in one FROM, under their own names.
 */
function isOverJunction(relationship: Relationship): boolean {
  return relationship.kind === 'foreign-key' && relationship.cardinality.kind === 'many-to-many';
}

function argumentOf({ fromAlias }: PlacedLevel, table: QualifiedName): QualifiedName {
  return fromAlias === null ? table : { schema: '', name: fromAlias };
}

function spreadOf(relationship: Relationship): Spread {
  return isToOne(relationship) ? { kind: 'to-one' } : { kind: 'to-many', extraSelect: [], order: [] };
}

/** Resolves the conditions on the fields of one relation. */
export function filteredLogic(tree: LogicTree, resolver: FieldResolver): PlannedLogic {
  return mapLeaves(tree, ({ field, expression }): PlannedFilter => ({
    kind: 'field',
    field: resolver.filtered(field, expression),
    expression,
  }));
}

function plannedHaving(tree: Level['having'][number], resolver: FieldResolver): LogicTree<PlannedHaving> {
  return mapLeaves(tree, ({ field, aggregate, expression }) => ({
    field: resolver.plain(field),
    aggregate,
    expression,
  }));
}

function plannedOrder(term: OrderTerm, resolver: FieldResolver): PlannedOrder {
  const { relation, field, direction, nulls } = term;
  // Still the embed's name: related-order.ts replaces it by the alias.
  if (relation !== null) return { kind: 'relation', relation, field, direction, nulls };
  return { kind: 'field', field: resolver.plain(field), direction, nulls };
}
