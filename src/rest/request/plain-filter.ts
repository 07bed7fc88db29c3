import type { FilterValue, Filter, Operation } from './query.ts';

// `name=op.value` with an unquoted ASCII name and a comparison: nearly all filters have this form. They are recognised
// without the grammar, and requests of one shape may differ in their values.

/** The operators of plain filters. */
export type Comparison = 'eq' | 'neq' | 'gt' | 'gte' | 'lt' | 'lte';

/** A plain filter, found in the raw text of a parameter. */
export interface PlainFilter {
  readonly name: string;
  readonly operator: Comparison;
  /** The index in the parameter at which the value begins. */
  readonly valueAt: number;
}

/** The plain filter in a parameter; null: it is something else, or the grammar has to read it. */
export function plainFilter(raw: string): PlainFilter | null {
  const equals = raw.indexOf('=');
  if (equals < 1) return null;
  for (let index = 0; index < equals; index++) {
    const code = raw.charCodeAt(index);
    const isLetter = (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f;
    if (!isLetter && !(code >= 0x30 && code <= 0x39)) return null;
  }
  const dot = raw.indexOf('.', equals + 2);
  if (dot === -1 || dot > equals + 4) return null;
  const operator = raw.slice(equals + 1, dot);
  if (!isComparison(operator)) return null;
  const name = raw.slice(0, equals);
  return reservedNames.has(name) ? null : { name, operator, valueAt: dot + 1 };
}

/** The comparison of a column with a value or its placeholder. */
export function comparison(name: string, operator: Comparison, value: FilterValue, negated = false): Filter {
  const operation: Operation =
    operator === 'neq'
      ? { kind: 'simple', operator, value }
      : { kind: 'quantified', operator, quantifier: null, value };
  return { field: { name, jsonPath: [] }, expression: { negated, operation } };
}

/** Parameters that are never filters: at the top level by name, at embedded levels by the last name of their path. */
export const reservedNames: ReadonlySet<string> = new Set([
  'select',
  'columns',
  'on_conflict',
  'order',
  'limit',
  'offset',
  'and',
  'or',
]);

/** Whether a text is one of the operators. */
export function isComparison(text: string | undefined): text is Comparison {
  return (
    text === 'eq' || text === 'neq' || text === 'gt' || text === 'gte' || text === 'lt' || text === 'lte'
  );
}
