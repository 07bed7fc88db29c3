import { plannedFieldCost } from '../../request-budget.ts';
import { RestError } from '../errors.ts';
import type { RawRequest } from './raw-request.ts';
import type { ApiRequest, Field, HavingFilter, Filter, LogicTree, SelectItem } from './query.ts';

/**
 * The size of a request, as in `RequestBudget.fields`. Each column, step into json, condition, order, argument and
 * key of the body counts one; each embed counts as many as its planning is worth.
 */
export function requestFields({ query, columns }: ApiRequest): number {
  const { select, filters, logic, order, having, distinct, onConflict, ranges, parameters } = query;
  return (
    selected(select) +
    sum(filters, ({ path, value }) => path.length + fieldSize(value.field)) +
    sum(logic, ({ path, value }) => path.length + treeSize(value)) +
    sum(order, ({ path, value }) => path.length + sum(value, ({ field }) => fieldSize(field))) +
    sum(having, ({ path, value }) => path.length + treeSize(value)) +
    sum(distinct?.kind === 'on' ? distinct.fields : [], fieldSize) +
    sum(ranges, ({ path }) => path.length + 1) +
    (onConflict?.length ?? 0) +
    parameters.length +
    columns.length
  );
}

/**
 * Throws LTR010 if there are more than allowed. It runs before anything is looked up or printed, because the time for
 * that grows faster than the number of fields.
 */
export function checkFields(fields: number, maxFields: number): void {
  if (fields <= maxFields) return;
  throw new RestError(
    'LTR010',
    `The request names ${fields} columns and conditions; at most ${maxFields} are allowed`,
    {
      details: `An embed counts as ${plannedFieldCost} columns.`,
      hint: 'Ask in several requests, or call a function.',
    },
  );
}

/** The fewest fields that the request can have, known without parsing it, because parsing takes time, too. */
export function leastFields({ query, headers, body }: RawRequest): number {
  const isCsv = headers['content-type']?.startsWith('text/csv') ?? false;
  return countOf(query, '&') + countOf(query, ';') + (isCsv ? columnsOfHeading(body) : 0);
}

function columnsOfHeading(body: Buffer): number {
  const end = body.indexOf(0x0a);
  return countOf(body.toString('latin1', 0, end < 0 ? body.length : end), ',');
}

function countOf(text: string, character: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) count++;
  return count;
}

function selected(items: readonly SelectItem[]): number {
  return sum(items, (item) =>
    item.kind === 'field' ? fieldSize(item.field) : plannedFieldCost + selected(item.select),
  );
}

function fieldSize({ jsonPath }: Field): number {
  return 1 + jsonPath.length;
}

function treeSize(tree: LogicTree<Filter | HavingFilter>): number {
  return tree.kind === 'leaf' ? fieldSize(tree.leaf.field) : 1 + sum(tree.members, treeSize);
}

function sum<T>(items: readonly T[], sizeOf: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += sizeOf(item);
  return total;
}
