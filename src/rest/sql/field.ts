import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { ResolvedField, PlannedSelect } from '../plan/plan.ts';
import type { AggregateFunction, Field, JsonStep } from '../request/query.ts';
import {
  fragment,
  identifier,
  isNothing,
  join,
  nothing,
  parameter,
  qualified,
  sharedParameter,
  verbatim,
} from './fragment.ts';
import type { Fragment } from './fragment.ts';

/** A column or computed field of a relation's row; `*` stands for all columns. */
export function column(relation: QualifiedName, name: string): Fragment {
  return name === '*'
    ? fragment`${qualified(relation)}.*`
    : fragment`${qualified(relation)}.${identifier(name)}`;
}

/** The row with this alias. A bare alias would mean a column if one had that name. */
export function wholeRow(alias: string): Fragment {
  return fragment`${identifier(alias)}.*`;
}

/** A field's value before any data representation, as filters and orders see it. */
export function fieldValue(relation: QualifiedName, field: ResolvedField): Fragment {
  const value = fieldPath(relation, field, field.toJson);
  if (!field.toTsVector) return value;
  return fragment`to_tsvector(${language(field.toTsVector.language)}${value})`;
}

/** A field that was not looked up in the catalog. */
export function plainField(relation: QualifiedName, field: Field): Fragment {
  return fragment`${column(relation, field.name)}${jsonPath(field.jsonPath)}`;
}

/** An item of a select list, with its alias. */
export function selectItem(relation: QualifiedName, item: PlannedSelect): Fragment {
  const value = transformed(item.field.transform, fieldValue(relation, item.field));
  const countsRows =
    item.aggregate === 'count' && item.field.name === '*' && !item.field.fullRow && item.cast === null;
  return fragment`${aggregated(
    item.aggregate,
    item.aggregateCast,
    countsRows ? verbatim('*') : cast(value, item.cast),
  )}${as(item.alias)}`;
}

/** `value` passed through a data representation's function. */
export function transformed(transform: string | null, value: Fragment): Fragment {
  return transform === null ? value : fragment`${verbatim(transform)}(${value})`;
}

/** An aggregate of `value`, then its cast; without an aggregate, the value itself. */
export function aggregated(
  aggregate: AggregateFunction | null,
  aggregateCast: string | null,
  value: Fragment,
): Fragment {
  return aggregate === null ? value : cast(fragment`${verbatim(aggregate)}(${value})`, aggregateCast);
}

/** ` as "alias"`. */
export function as(name: string | null): Fragment {
  return name === null ? nothing : fragment` as ${identifier(name)}`;
}

/** A text search configuration as the first argument. */
export function language(name: string | null): Fragment {
  return name === null ? nothing : fragment`${parameter(name)}, `;
}

/**
 * A type name can be neither quoted (`"int"` is not a type) nor a parameter. The parser allows only letters, digits,
 * `_`, `$` and spaces; this function checks it again, because here it matters for safety.
 */
function cast(value: Fragment, type: string | null): Fragment {
  if (type === null) return value;
  if (!/^[\p{L}\p{N}_$ ]*$/u.test(type)) throw new Error(`not the name of a type: ${JSON.stringify(type)}`);
  return fragment`cast(${value} as ${verbatim(type)})`;
}

function fieldPath(relation: QualifiedName, field: ResolvedField, toJson: boolean): Fragment {
  if (field.fullRow) return wholeRow(relation.name);
  const path = jsonPath(field.jsonPath);
  const value = column(relation, field.name);
  return toJson && !isNothing(path) ? fragment`to_jsonb(${value})${path}` : fragment`${value}${path}`;
}

function jsonPath(steps: readonly JsonStep[]): Fragment {
  if (steps.length === 0) return nothing;
  return join(
    steps.map((step) =>
      'key' in step
        ? fragment`${verbatim(step.arrow)}${sharedParameter(step.key)}`
        : fragment`${verbatim(step.arrow)}${sharedParameter(step.index)}::int`,
    ),
    '',
  );
}
