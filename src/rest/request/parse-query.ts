import { canonicalPairs } from './canonical-query.ts';
import { distinctRows, havingTree } from './extension-grammar.ts';
import { columnNames, logicPath, treePath } from './field-grammar.ts';
import { logicTree } from './logic-grammar.ts';
import { operatorExpression, wholeValue } from './operator-grammar.ts';
import { orderTerms } from './order-grammar.ts';
import { choice, parse, parseOrNothing, parseShown, pure } from './parser.ts';
import { comparison, plainFilter, reservedNames } from './plain-filter.ts';
import type {
  AtPath,
  Distinct,
  EmbedPath,
  Filter,
  HavingFilter,
  LogicTree,
  OrderTerm,
  Query,
  RowRange,
} from './query.ts';
import type { QueryPair } from './query-pairs.ts';
import { queryPairs } from './query-pairs.ts';
import type { Interval } from './row-range.ts';
import { intervalOf, rowRange } from './row-range.ts';
import { selectItems } from './select-grammar.ts';

/** How the action uses a query string. */
export interface QueryUse {
  /** A function is called by GET: values without an operator are its arguments instead of errors. */
  readonly callsFunction: boolean;
  /** A relation is read, so `distinct`, `having` and `after` have a meaning. */
  readonly readsRelation: boolean;
  /** Values of plain filters (plain-filter.ts) become placeholders, numbered from 0. */
  readonly placeholders: boolean;
}

/** The content of a query string, and the range that it asks for at the top level. */
export interface ParsedQuery {
  readonly query: Query;
  readonly topInterval: Interval;
}

/** The select list of a query string without `select=`. */
const everyColumn = parse(selectItems, 'select parameter', '*');

const filterExpression = operatorExpression(wholeValue);
const filterOrArgument = choice(filterExpression, pure(null));

/** Parses a query string without its question mark. Throws PGRST100 for text outside the grammar. */
export function parseQuery(text: string, use: QueryUse): ParsedQuery {
  const pairs = queryPairs(text);
  // Parameters without `=` are part of the canonical form but have no meaning, except our `distinct`.
  const given = pairs.filter((pair): pair is GivenPair => pair.value !== null);
  const order = given.filter(({ name }) => lastName(name) === 'order').map(parseOrder);
  const logic = given.filter(({ name }) => isLogic(lastName(name))).map(parseLogic);
  const columns = parseColumns('columns parameter', firstValue(pairs, 'columns'));
  const selected = firstValue(pairs, 'select');
  const select = selected === null ? everyColumn : parse(selectItems, 'select parameter', selected);
  const filters = parseFilters(given, use);
  const bareDistinct =
    use.readsRelation && pairs.some(({ name, value }) => name === 'distinct' && value === null);
  const onConflict = parseColumns('on_conflict parameter', firstValue(pairs, 'on_conflict'));
  const { top, embedded } = parseRanges(given);
  return {
    query: {
      canonical: canonicalPairs(pairs),
      parameters: filters.parameters,
      select,
      filters: filters.filters,
      logic,
      order,
      ranges: embedded,
      columns: columns === null ? null : [...new Set(columns)],
      onConflict,
      filterNames: filters.names,
      having: filters.having,
      distinct: filters.distinct ?? (bareDistinct ? { kind: 'rows' } : null),
      after: filters.after,
    },
    topInterval: top,
  };
}

type GivenPair = QueryPair & { readonly value: string };

/** The value of a parameter; the first one, if the name is given twice. */
function firstValue(pairs: readonly QueryPair[], name: string): string | null {
  return pairs.find((pair) => pair.name === name)?.value ?? null;
}

/** The last name of a parameter's path, including any quotes around it. */
function lastName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function isLogic(last: string): boolean {
  return last === 'and' || last === 'or';
}

function parseOrder({ name, value }: GivenPair): AtPath<readonly OrderTerm[]> {
  return { path: parsePath(name), value: parse(orderTerms, 'order', value) };
}

function parsePath(name: string): EmbedPath {
  return parse(treePath, 'tree path', name).path;
}

function parseLogic({ name, value }: GivenPair): AtPath<LogicTree> {
  const names = parse(logicPath, 'logic path', name);
  // The text is parsed with its operator in front, but errors show it without.
  const whole = `${names.includes('not') ? 'not.' : ''}${names.at(-1) ?? ''}${value}`;
  return {
    path: names.slice(0, -1).filter((each) => each !== 'not'),
    value: parseShown(logicTree, 'logic tree', whole, value),
  };
}

function parseColumns(what: string, value: string | null): readonly string[] | null {
  return value === null ? null : parse(columnNames, what, value);
}

interface Filters {
  readonly filters: readonly AtPath<Filter>[];
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly names: readonly string[];
  readonly having: readonly AtPath<LogicTree<HavingFilter>>[];
  readonly distinct: Distinct | null;
  readonly after: string | null;
}

function parseFilters(given: readonly GivenPair[], use: QueryUse): Filters {
  const filters: AtPath<Filter>[] = [];
  const parameters: [string, string][] = [];
  const names: string[] = [];
  const having: AtPath<LogicTree<HavingFilter>>[] = [];
  let distinct: Distinct | null = null;
  let after: string | null = null;
  let plainCount = 0;
  for (const { name, value, raw } of given) {
    const last = lastName(name);
    if (isReserved(name, last)) continue;
    const plain = plainFilter(raw);
    if (plain !== null) {
      const placeholder = plainCount++;
      const plainValue = use.placeholders ? { placeholder } : value.slice(plain.operator.length + 1);
      filters.push({ path: [], value: comparison(plain.name, plain.operator, plainValue) });
      names.push(name);
      continue;
    }
    if (
      use.readsRelation &&
      isExtension(name, last) &&
      parseOrNothing(filterExpression, value) === undefined
    ) {
      if (last === 'having')
        having.push({ path: parsePath(name), value: parse(havingTree, 'having parameter', value) });
      else if (last === 'distinct') distinct ??= parse(distinctRows, 'distinct parameter', value);
      else after ??= value;
      continue;
    }
    names.push(name);
    const { path, field } = parse(treePath, 'tree path', name);
    const expression = parse(use.callsFunction ? filterOrArgument : filterExpression, 'filter', value);
    if (expression === null) parameters.push([field.name, value]);
    else filters.push({ path, value: { field, expression } });
  }
  return { filters, parameters, names: [...new Set(names)], having, distinct, after };
}

function isReserved(name: string, last: string): boolean {
  if (name === last) return reservedNames.has(name);
  return last === 'order' || last === 'limit' || last === 'offset' || isLogic(last);
}

/** Whether it is an extension: `having` at every level, and the parameters for the whole answer at the top. */
function isExtension(name: string, last: string): boolean {
  return last === 'having' || name === 'distinct' || name === 'after';
}

function parseRanges(given: readonly GivenPair[]): {
  readonly top: Interval;
  readonly embedded: readonly AtPath<RowRange>[];
} {
  // If a name is given twice, the last one counts.
  const asked = new Map<string, { limit: string | null; offset: string | null }>();
  for (const { name, value } of given) {
    const last = lastName(name);
    if (last !== 'limit' && last !== 'offset') continue;
    const level = name.slice(0, name.length - last.length);
    const range = asked.get(level) ?? { limit: null, offset: null };
    range[last] = value;
    asked.set(level, range);
  }
  const top = asked.get('');
  asked.delete('');
  return {
    top: intervalOf(top?.limit ?? null, top?.offset ?? null),
    embedded: [...asked].map(([level, { limit, offset }]) => ({
      path: parsePath(`${level}limit`),
      value: rowRange(intervalOf(limit, offset)),
    })),
  };
}
