import type { Relationship } from '../../schema-cache/relationship.ts';
import { leavesOf } from './logic.ts';
import type { PlannedFilter, ReadPlan } from './plan.ts';
import { sortedNames } from './sorted-names.ts';

/**
 * The columns that a write or a call must return, so that the read of its rows finds what it selects, joins and
 * orders by; sorted, or `['*']` for all. A star takes all columns, because a column returned twice would be shown
 * twice. So does a computed relationship, whose function gets the whole row.
 */
export function neededColumns(plan: ReadPlan): string[] {
  const selected = plan.select.map(({ field }) => field.name);
  const joined = plan.embeds.flatMap(({ relationship }) => columnsJoined(relationship));
  if (selected.includes('*') || joined.includes('*')) return ['*'];
  const ordered = plan.order.flatMap((term) => (term.kind === 'field' ? [term.field.name] : []));
  const grouped = plan.having
    .flatMap(leavesOf)
    .flatMap(({ field }) => (field.name === '*' ? [] : [field.name]));
  const distinct = plan.distinct?.kind === 'on' ? plan.distinct.fields.map(({ name }) => name) : [];
  return sortedNames([...selected, ...joined, ...ordered, ...grouped, ...distinct]);
}

/** The columns that the read's own conditions compare: on a call they apply to the rows that it returns. */
export function filteredColumns(plan: ReadPlan): string[] {
  const filters: PlannedFilter[] = plan.where.flatMap(leavesOf);
  return sortedNames(filters.flatMap((filter) => (filter.kind === 'field' ? [filter.field.name] : [])));
}

function columnsJoined(relationship: Relationship | null): string[] {
  if (relationship === null) return [];
  if (relationship.kind === 'computed') return ['*'];
  const { cardinality } = relationship;
  const pairs =
    cardinality.kind === 'many-to-many' ? cardinality.junction.sourceColumns : cardinality.columns;
  return pairs.map(([column]) => column);
}
