import type { QualifiedName } from '../../schema-cache/identifier.ts';
import { isGrouped } from '../plan/aggregates.ts';
import type { JoinCondition, PlannedSelect, ReadPlan, RelationSelect, SpreadSelect } from '../plan/plan.ts';
import type { RowRange } from '../request/query.ts';
import { aggregated, as, column, fieldValue, selectItem, wholeRow } from './field.ts';
import { conditions, havingConditions } from './filters.ts';
import {
  fragment,
  identifier,
  isNothing,
  join,
  nothing,
  parameter,
  qualified,
  verbatim,
} from './fragment.ts';
import type { Fragment } from './fragment.ts';
import { distinctClause, distinctOrder, orderBy, orderedBy } from './order.ts';

/** The rows of one level with its embeds: a `select`, without semicolon or parentheses. */
export function readQuery(plan: ReadPlan): Fragment {
  const relation = relationOf(plan);
  const order = orderedBy(distinctOrder(relation, plan.distinct, plan.order));
  return fragment`select ${distinctClause(relation, plan.distinct, plan.order)}${selectList(plan)}${rowSource(
    plan,
  )}${where(plan)}${grouping(plan)}${order}${range(plan.range)}`;
}

/** The name that qualifies a level's columns: its alias, otherwise its name. */
export function relationOf({ from, fromAlias, relationship }: ReadPlan): QualifiedName {
  if (fromAlias !== null) return { schema: '', name: fromAlias };
  return relationship?.kind === 'computed' ? { schema: '', name: relationship.function.name } : from;
}

/** The select list of the relation and its embeds. It may be empty, which Postgres accepts. */
export function selectList(plan: ReadPlan): Fragment {
  const relation = relationOf(plan);
  const own =
    plan.select.length === 0 && plan.embeds.length === 0
      ? [column(relation, '*')]
      : plan.select.map((item) => selectItem(relation, item));
  const forOrder =
    plan.spread?.kind === 'to-many'
      ? plan.spread.extraSelect.map((extra) =>
          selectItem(extra.alias === null ? relation : { schema: '', name: extra.alias }, extra.select),
        )
      : [];
  return join([...own, ...forOrder, ...plan.relationSelects.flatMap(relationSelect)], ', ');
}

/** ` from` the relation, ` join`ed with its embeds. */
export function rowSource(plan: ReadPlan): Fragment {
  return join([fromClause(plan), ...plan.relationSelects.map((selected) => lateralJoin(plan, selected))], '');
}

/** ` from` the relation alone, with the junction of a many-to-many relationship. */
export function fromClause({ from, fromAlias, relationship, computedArgument }: ReadPlan): Fragment {
  const name = fromAlias === null ? nothing : fragment` as ${identifier(fromAlias)}`;
  if (relationship?.kind === 'computed') {
    // The cast picks the overload, and names the row's type where the row comes from another part of the statement.
    const argument = wholeRow((computedArgument ?? relationship.table).name);
    return fragment` from ${qualified(relationship.function)}(${argument}::${qualified(relationship.table)})${name}`;
  }
  if (relationship?.cardinality.kind === 'many-to-many')
    return fragment` from ${qualified(from)}${name}, ${qualified(relationship.cardinality.junction.table)}`;
  return fragment` from ${qualified(from)}${name}`;
}

/** ` where` the filters hold, the row belongs to the level above, and `further` holds. */
export function where(plan: ReadPlan, ...further: readonly Fragment[]): Fragment {
  return all([
    ...conditions(relationOf(plan), plan.where),
    ...plan.joinConditions.map(joinCondition),
    ...further,
  ]);
}

/** ` where` all of these hold, or nothing. */
export function all(tests: readonly Fragment[]): Fragment {
  const stated = tests.filter((test) => !isNothing(test));
  return stated.length === 0 ? nothing : fragment` where ${join(stated, ' and ')}`;
}

/** `left = right` of a join. */
export function joinCondition({ left, right }: JoinCondition): Fragment {
  return fragment`${column(left.relation, left.column)} = ${column(right.relation, right.column)}`;
}

/**
 * ` limit ... offset ...`, as far as they limit anything. The limit is not a parameter: for an unknown limit the
 * planner expects a tenth of the table, and so plans prepared statements anew each time (seen: 380 us instead of 255
 * for a page of 50). The offset is a parameter, because a statement is used with many offsets.
 */
export function range({ limit, offset }: RowRange): Fragment {
  return fragment`${limitTo(limit)}${offset === 0 ? nothing : fragment` offset ${parameter(String(offset))}`}`;
}

/** ` limit n`; nothing for all rows. An embed may ask for a negative limit, which Postgres refuses. */
export function limitTo(limit: number | null): Fragment {
  if (limit === null) return nothing;
  if (!Number.isInteger(limit)) throw new Error(`not a limit: ${limit}`);
  return verbatim(` limit ${BigInt(limit)}`);
}

/** ` group by` everything that is selected but not aggregated, then ` having`. */
function grouping(plan: ReadPlan): Fragment {
  if (!isGrouped(plan)) return nothing;
  const relation = relationOf(plan);
  const terms = [
    ...plan.select.flatMap((item) => groupTerm(relation, item)),
    ...plan.relationSelects.flatMap(relationGroupTerms),
  ];
  const groups = terms.length === 0 ? nothing : fragment` group by ${join(terms, ', ')}`;
  if (plan.having.length === 0) return groups;
  return fragment`${groups} having ${join(havingConditions(relation, plan.having), ' and ')}`;
}

function groupTerm(relation: QualifiedName, item: PlannedSelect): Fragment[] {
  const { aggregate, alias } = item;
  if (aggregate !== null) return [];
  // Not by the alias, which would mean a column if one had that name.
  return [alias === null ? fieldValue(relation, item.field) : selectItem(relation, { ...item, alias: null })];
}

function relationGroupTerms(selected: RelationSelect): Fragment[] {
  // An embed that only filters is not in the select list, so rows cannot be grouped by it.
  if (selected.kind === 'json') return selected.empty ? [] : [embedded(selected)];
  return selected.select
    .filter((item) => item.aggregate === null)
    .map((item) => fragment`${identifier(selected.aggregateAlias)}.${identifier(item.alias ?? item.name)}`);
}

/** An embed's part of the select list above: PostgREST, Resource Embedding. */
function relationSelect(selected: RelationSelect): Fragment[] {
  const joined = identifier(selected.aggregateAlias);
  if (selected.kind === 'spread')
    return selected.select.map(
      (item) =>
        fragment`${aggregated(item.aggregate, item.aggregateCast, spreadColumn(joined, item))}${as(item.alias)}`,
    );
  if (selected.empty) return [];
  return [fragment`${embedded(selected)}${as(selected.name)}`];
}

/** An embed as jsonb, so that rows can be grouped by it; clients notice jsonb by its spaces. */
function embedded({ aggregateAlias, mode }: Extract<RelationSelect, { kind: 'json' }>): Fragment {
  const joined = identifier(aggregateAlias);
  return mode === 'object'
    ? fragment`row_to_json(${joined}.*)::jsonb`
    : fragment`coalesce(${joined}.${joined}, '[]')`;
}

function spreadColumn(joined: Fragment, { name }: SpreadSelect): Fragment {
  return name === '*' ? fragment`${joined}.*` : fragment`${joined}.${identifier(name)}`;
}

/**
 * Joins the rows that an embed finds for each row: directly if there is at most one, otherwise as one array, or (for
 * spreads) as one array per column. An inner join of arrays drops a row whose array is missing.
 */
function lateralJoin(plan: ReadPlan, selected: RelationSelect): Fragment {
  const embed = plan.embeds.find(({ aggregateAlias }) => aggregateAlias === selected.aggregateAlias);
  if (!embed)
    throw new Error(
      `the plan of ${plan.name} selects an embed that it does not have: ${selected.aggregateAlias}`,
    );
  const name = identifier(selected.aggregateAlias);
  const kind = verbatim(embed.join === 'inner' ? 'inner' : 'left');
  const rows = readQuery(embed);
  const isArray = selected.kind === 'json' ? selected.mode === 'array' : embed.spread?.kind === 'to-many';
  if (!isArray) return fragment` ${kind} join lateral (${rows}) as ${name} on true`;
  const arrays = [
    fragment`json_agg(${name}.*)::jsonb as ${name}`,
    ...(selected.kind === 'spread' ? selected.select.map((item) => spreadArray(embed, item)) : []),
  ];
  const found = embed.join === 'inner' ? fragment`${name}.${name} is not null` : verbatim('true');
  return fragment` ${kind} join lateral (select ${join(arrays, ', ')} from (${rows}) as ${name}) as ${name} on ${found}`;
}

function spreadArray(embed: ReadPlan, item: SpreadSelect): Fragment {
  const rows = identifier(embed.aggregateAlias);
  const order =
    embed.spread?.kind === 'to-many'
      ? orderBy({ schema: '', name: embed.aggregateAlias }, embed.spread.order)
      : nothing;
  const values = fragment`json_agg(${spreadColumn(rows, item)}${order})`;
  return fragment`coalesce(${values}, '[]')::jsonb${as(item.alias ?? item.name)}`;
}
