import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { PlannedOrder } from '../plan/plan.ts';
import type { Distinct, Field, OrderDirection, OrderNulls } from '../request/query.ts';
import { fieldValue, plainField } from './field.ts';
import { fragment, join, nothing, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';

/** ` order by ...`, or nothing. */
export function orderBy(relation: QualifiedName, terms: readonly PlannedOrder[]): Fragment {
  return orderedBy(terms.map((term) => orderTerm(relation, term)));
}

/** ` order by` terms that are already printed, or nothing. */
export function orderedBy(terms: readonly Fragment[]): Fragment {
  return terms.length === 0 ? nothing : fragment` order by ${join(terms, ', ')}`;
}

/** `distinct`, `distinct on (...)`, or nothing: an extension. */
export function distinctClause(
  relation: QualifiedName,
  distinct: Distinct | null,
  terms: readonly PlannedOrder[],
): Fragment {
  if (distinct === null) return nothing;
  if (distinct.kind === 'rows') return fragment`distinct `;
  return fragment`distinct on (${join(
    distinct.fields.map((field) => {
      const term = termOf(field, terms);
      return term ? fieldValue(relation, term.field) : plainField(relation, field);
    }),
    ', ',
  )}) `;
}

/**
 * The order under `distinct on`, which has to begin with its fields; each takes its direction from the order, if that
 * has it. The remaining terms decide which row of each value comes first.
 */
export function distinctOrder(
  relation: QualifiedName,
  distinct: Distinct | null,
  terms: readonly PlannedOrder[],
): readonly Fragment[] {
  if (distinct?.kind !== 'on') return terms.map((term) => orderTerm(relation, term));
  const first = distinct.fields.map((field) => termOf(field, terms) ?? field);
  return [
    ...first.map((term) => ('kind' in term ? orderTerm(relation, term) : plainField(relation, term))),
    ...terms
      .filter((term) => term.kind === 'relation' || !first.includes(term))
      .map((term) => orderTerm(relation, term)),
  ];
}

/** Direction and position of nulls, as stated. */
export function direction(way: OrderDirection | null, nulls: OrderNulls | null): Fragment {
  const words = [way, nulls === null ? null : nulls === 'nullsfirst' ? 'nulls first' : 'nulls last'];
  return verbatim(words.map((word) => (word === null ? '' : ` ${word}`)).join(''));
}

function orderTerm(relation: QualifiedName, term: PlannedOrder): Fragment {
  const value =
    term.kind === 'field'
      ? fieldValue(relation, term.field)
      : plainField({ schema: '', name: term.relation }, term.field);
  return fragment`${value}${direction(term.direction, term.nulls)}`;
}

function termOf(field: Field, terms: readonly PlannedOrder[]) {
  return terms.find(
    (term): term is Extract<PlannedOrder, { kind: 'field' }> =>
      term.kind === 'field' &&
      term.field.name === field.name &&
      JSON.stringify(term.field.jsonPath) === JSON.stringify(field.jsonPath),
  );
}
