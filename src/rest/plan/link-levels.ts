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

/** What linking looks names up in. */
export interface LinkContext {
  readonly cache: SchemaCache;
  readonly giveAlias: AliasGiver;
  /** Of the request: relationships are looked for in it. */
  readonly schema: string;
}

/**
 * Looks every level's relation, relationship and fields up. `fromSource`: the top level's rows come from a write or a call,
 * `relation` says what they are. Throws PGRST200 and PGRST201, the outermost and leftmost first.
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

/** Itself, or by a spread whose aggregates move up to it. */
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
    // Deeper levels are found by the table that they were resolved to; of the top one, of a write, the alias is the table.
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

/** The table's name, as relationships and errors know it, also where rows come from a write or a call. */
export function relationNameOf({ from, fromAlias }: Pick<ReadPlan, 'from' | 'fromAlias'>): string {
  return from.schema === '' ? (fromAlias ?? from.name) : from.name;
}

/** Its two tables are joined in one FROM, under their own names. */
function isOverJunction(relationship: Relationship): boolean {
  return relationship.kind === 'foreign-key' && relationship.cardinality.kind === 'many-to-many';
}

function argumentOf({ fromAlias }: PlacedLevel, table: QualifiedName): QualifiedName {
  return fromAlias === null ? table : { schema: '', name: fromAlias };
}

function spreadOf(relationship: Relationship): Spread {
  return isToOne(relationship) ? { kind: 'to-one' } : { kind: 'to-many', extraSelect: [], order: [] };
}

/** Conditions on the fields of one relation. */
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
  // The name of an embed still: related-order.ts puts its alias there.
  if (relation !== null) return { kind: 'relation', relation, field, direction, nulls };
  return { kind: 'field', field: resolver.plain(field), direction, nulls };
}
