import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { PlannedFilter, PlannedHaving, PlannedLogic } from '../plan/plan.ts';
import type {
  FilterValue,
  FtsOperator,
  IsValue,
  LogicTree,
  Operation,
  OperatorExpression,
  QuantifiedOperator,
  SimpleOperator,
} from '../request/query.ts';
import { aggregated, column, fieldValue, language, transformed, wholeRow } from './field.ts';
import { fragment, join, parameter, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';

// PostgREST, Tables and Views, Operators. Values are parameters without a type. The column's own type reads them, so any
// type of any schema works, and its indexes are used.

/** Conditions on the rows of a relation, to be joined with `and`. */
export function conditions(relation: QualifiedName, logic: readonly PlannedLogic[]): Fragment[] {
  return logic.map((tree) => logicTree(tree, (filter) => condition(relation, filter)));
}

/** Conditions on groups: an extension. */
export function havingConditions(
  relation: QualifiedName,
  having: readonly LogicTree<PlannedHaving>[],
): Fragment[] {
  return having.map((tree) =>
    logicTree(tree, ({ field, aggregate, expression }) => {
      const value = field.name === '*' ? verbatim('*') : fieldValue(relation, field);
      return operation(aggregated(aggregate, null, value), expression, null);
    }),
  );
}

/** A tree of conditions, with its leaves printed by `print`. */
export function logicTree<Leaf>(tree: LogicTree<Leaf>, print: (leaf: Leaf) => Fragment): Fragment {
  if (tree.kind === 'leaf') return print(tree.leaf);
  const members = join(
    tree.members.map((member) => logicTree(member, print)),
    ` ${tree.operator} `,
  );
  return tree.negated ? fragment`not (${members})` : fragment`(${members})`;
}

/** One condition. A condition on an embed asks whether its lateral join found a row. */
export function condition(relation: QualifiedName, filter: PlannedFilter): Fragment {
  if (filter.kind === 'field')
    return operation(fieldValue(relation, filter.field), filter.expression, filter.field.transform);
  const { aggregateAlias: alias, isArray } = filter;
  const found = isArray ? column({ schema: '', name: alias }, alias) : wholeRow(alias);
  return filter.negated
    ? fragment`${found} is distinct from null`
    : fragment`${found} is not distinct from null`;
}

function operation(
  left: Fragment,
  { negated, operation: does }: OperatorExpression,
  transform: string | null,
): Fragment {
  const comparison = fragment`${left} ${rightSide(does, transform)}`;
  return negated ? fragment`not ${comparison}` : comparison;
}

function rightSide(does: Operation, transform: string | null): Fragment {
  switch (does.kind) {
    case 'quantified': {
      const isPattern = does.operator === 'like' || does.operator === 'ilike';
      const value = isPattern
        ? parameter(pattern(does.value))
        : transformed(transform, parameter(does.value));
      const operator = verbatim(quantifiedOperators[does.operator]);
      return does.quantifier === null
        ? fragment`${operator} ${value}`
        : fragment`${operator} ${verbatim(does.quantifier)}(${value})`;
    }
    case 'simple':
      return fragment`${verbatim(simpleOperators[does.operator])} ${transformed(transform, parameter(does.value))}`;
    case 'in':
      return fragment`= any(${inValues(does.values, transform)})`;
    case 'is':
      return fragment`is ${verbatim(isValues[does.value])}`;
    case 'isdistinct':
      return fragment`is distinct from ${parameter(does.value)}`;
    case 'fts':
      return fragment`@@ ${verbatim(ftsFunctions[does.operator])}(${language(does.language)}${parameter(does.value)})`;
    default:
      return does satisfies never;
  }
}

/** The pattern for `like`. `*` is an alias of `%`, which a URL would have to percent-encode. */
function pattern(value: FilterValue): FilterValue {
  return typeof value === 'string' ? value.replaceAll('*', '%') : value;
}

/**
 * The values as one array instead of `in (...)`: a list may be empty, and one statement serves lists of every length.
 * With a data representation, each element is a text that passes through its function.
 */
function inValues(values: readonly string[], transform: string | null): Fragment {
  const isEmpty = values.length === 0 || (values.length === 1 && values[0] === '');
  const array = parameter(isEmpty ? '{}' : arrayLiteral(values));
  if (transform === null || isEmpty) return array;
  return fragment`select ${transformed(transform, fragment`unnest(${array}::text[])`)}`;
}

/** An array in Postgres's notation. Written by hand, because only Postgres knows the type of its elements. */
function arrayLiteral(values: readonly string[]): string {
  const elements = values.map((value) => {
    const end = value.indexOf('\0');
    const text = end < 0 ? value : value.slice(0, end);
    return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  });
  return `{${elements.join()}}`;
}

const quantifiedOperators = {
  eq: '=',
  gte: '>=',
  gt: '>',
  lte: '<=',
  lt: '<',
  like: 'like',
  ilike: 'ilike',
  match: '~',
  imatch: '~*',
} as const satisfies Record<QuantifiedOperator, string>;

const simpleOperators = {
  neq: '<>',
  cs: '@>',
  cd: '<@',
  ov: '&&',
  sl: '<<',
  sr: '>>',
  nxr: '&<',
  nxl: '&>',
  adj: '-|-',
} as const satisfies Record<SimpleOperator, string>;

const ftsFunctions = {
  fts: 'to_tsquery',
  plfts: 'plainto_tsquery',
  phfts: 'phraseto_tsquery',
  wfts: 'websearch_to_tsquery',
} as const satisfies Record<FtsOperator, string>;

/** The operands of `is`, which are keywords and cannot be parameters. */
const isValues = {
  null: 'null',
  not_null: 'not null',
  true: 'true',
  false: 'false',
  unknown: 'unknown',
} as const satisfies Record<IsValue, string>;
