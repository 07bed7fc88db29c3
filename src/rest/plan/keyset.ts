import type { Table } from '../../schema-cache/table.ts';
import { RestError } from '../errors.ts';
import type { ApiRequest } from '../request/query.ts';
import { isGrouped } from './aggregates.ts';
import type { Keyset, PlannedOrder, ReadPlan, ResolvedField } from './plan.ts';
import type { FieldResolver } from './resolve-field.ts';

/**
 * Keyset pagination, an extension: `after=` returns the rows after a cursor, in the request's order, which the
 * primary key makes total. The cursor is a base64url JSON array with the last row's value of each term, as text or
 * null. Returns null if `after` is not given. Throws PGRST100 for a cursor of another order, and where pages cannot
 * be told apart.
 */
export function planKeyset(request: ApiRequest, plan: ReadPlan, resolver: FieldResolver): Keyset | null {
  const { after } = request.query;
  if (after === null) return null;
  if (request.topRange.offset > 0) {
    throw refused(after, "'after' already says where the page starts: leave out 'offset' and 'Range'");
  }
  if (plan.distinct !== null || isGrouped(plan)) {
    throw refused(after, "'after' needs the table's rows: leave out 'distinct', 'having' and aggregates");
  }
  const terms = totalOrder(after, plan, resolver);
  if (terms.length === 0) {
    throw refused(after, `'${plan.name}' has no primary key: name the columns to page by in 'order'`);
  }
  return { terms, after: after === '' ? null : cursorValues(after, terms.length) };
}

type Term = Keyset['terms'][number];

function totalOrder(after: string, plan: ReadPlan, resolver: FieldResolver): Term[] {
  const ordered = plan.order.map((order) => termOf(after, order, resolver.table));
  const named = new Set(
    ordered.filter(({ field }) => field.jsonPath.length === 0).map(({ field }) => field.name),
  );
  const key = (resolver.table?.primaryKey ?? []).filter((column) => !named.has(column));
  return [
    ...ordered,
    ...key.map((name): Term =>
      term(resolver.plain({ name, jsonPath: [] }), 'asc', 'nullslast', resolver.table),
    ),
  ];
}

function termOf(after: string, order: PlannedOrder, table: Table | null): Term {
  if (order.kind === 'relation') {
    throw refused(
      after,
      "'after' cannot follow the order of an embedded resource: order by columns of its own",
    );
  }
  const direction = order.direction ?? 'asc';
  return term(
    order.field,
    direction,
    order.nulls ?? (direction === 'asc' ? 'nullslast' : 'nullsfirst'),
    table,
  );
}

function term(
  field: ResolvedField,
  direction: Term['direction'],
  nulls: Term['nulls'],
  table: Table | null,
): Term {
  const column = field.jsonPath.length === 0 ? table?.columns.get(field.name) : undefined;
  return { field, direction, nulls, nullable: column?.nullable ?? true };
}

function cursorValues(after: string, length: number): readonly (string | null)[] {
  const values = decoded(after);
  if (!Array.isArray(values) || !values.every(isTextOrNull)) {
    throw refused(
      after,
      'It is not a cursor: use the one from the last answer, or leave it empty for the first page',
    );
  }
  if (values.length !== length) {
    throw refused(
      after,
      `It has ${values.length} values, but this order needs ${length}: start again with an empty cursor`,
    );
  }
  return values;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

/** Undefined: the text is not base64url of JSON. */
function decoded(after: string): unknown {
  if (!/^[A-Za-z0-9_-]+$/.test(after)) return undefined;
  try {
    return JSON.parse(Buffer.from(after, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

function refused(after: string, details: string): RestError {
  return new RestError('PGRST100', `"failed to parse after parameter (${after})"`, { details });
}
