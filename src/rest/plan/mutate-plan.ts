import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import type { Table } from '../../schema-cache/table.ts';
import { RestError } from '../errors.ts';
import type { RestOptions } from '../options.ts';
import type { Action, ApiRequest, Filter, Payload } from '../request/query.ts';
import { conflictKey, withinTenant } from './conflict-key.ts';
import { filteredLogic } from './link-levels.ts';
import { asLeaf } from './logic.ts';
import { neededColumns } from './needed-columns.ts';
import type { MutatePlan, PlannedLogic, ReadPlan, ResolvedField } from './plan.ts';
import type { FieldResolver } from './resolve-field.ts';
import { fieldResolver } from './resolve-field.ts';
import { sortedNames } from './sorted-names.ts';

/**
 * The write, returning what `readPlan` needs. Throws PGRST105 for a PUT that names no row, PGRST204, and 42P10 for an
 * upsert that goes by no key.
 */
export function planMutation(
  mutation: (Action & { kind: 'mutate' })['mutation'],
  table: Table,
  request: ApiRequest,
  readPlan: ReadPlan,
  cache: SchemaCache,
  { tenantColumn }: Pick<RestOptions, 'tenantColumn'>,
): MutatePlan {
  const { query, preferences, payload } = request;
  const into = { schema: table.schema, name: table.name };
  const { primaryKey } = table;
  const resolver = fieldResolver(cache, into);
  const returning = returnedColumns(request, readPlan, primaryKey);
  const applyDefaults = preferences.missing === 'default';
  switch (mutation) {
    case 'insert': {
      const { resolution } = preferences;
      return {
        kind: 'insert',
        into,
        columns: writtenColumns(request, table, resolver),
        body: jsonText(payload),
        onConflict:
          resolution === null
            ? null
            : {
                resolution,
                columns:
                  query.onConflict === null ? primaryKey : conflictKey(table, query.onConflict, tenantColumn),
              },
        where: [],
        returning,
        primaryKey,
        applyDefaults,
      };
    }
    case 'upsert-one':
      if (
        !namesOneRow(request, primaryKey) &&
        !namesOneRow(request, withinTenant(primaryKey, tenantColumn))
      ) {
        throw new RestError(
          'PGRST105',
          "Filters must include all and only primary key columns with 'eq' operators",
        );
      }
      return {
        kind: 'insert',
        into,
        columns: writtenColumns(request, table, resolver),
        body: jsonText(payload),
        onConflict: { resolution: 'merge-duplicates', columns: primaryKey },
        where: topConditions(request, resolver),
        returning,
        primaryKey,
        applyDefaults: false,
      };
    case 'update':
      return {
        kind: 'update',
        into,
        columns: writtenColumns(request, table, resolver),
        body: jsonText(payload),
        where: topConditions(request, resolver),
        returning,
        applyDefaults,
      };
    case 'delete':
      return { kind: 'delete', from: into, where: topConditions(request, resolver), returning };
    default:
      return mutation satisfies never;
  }
}

function topFilters({ query }: ApiRequest): Filter[] {
  return query.filters.filter(({ path }) => path.length === 0).map(({ value }) => value);
}

/** The conditions of the top level. Conditions on embeds choose what is shown, never what is written. */
function topConditions(request: ApiRequest, resolver: FieldResolver): PlannedLogic[] {
  const logic = request.query.logic.filter(({ path }) => path.length === 0).map(({ value }) => value);
  const filters = topFilters(request).map(asLeaf);
  return [...filters, ...logic].map((tree) => filteredLogic(tree, resolver));
}

/** Whether the query string names a single row by the whole primary key and nothing else, as PUT requires. */
function namesOneRow(request: ApiRequest, primaryKey: readonly string[]): boolean {
  const { logic, filterNames } = request.query;
  const key = sortedNames(primaryKey);
  const named = sortedNames(filterNames);
  return (
    logic.length === 0 &&
    key.length > 0 &&
    key.length === named.length &&
    key.every((column, index) => column === named[index]) &&
    topFilters(request).every(({ expression: { negated, operation } }) => {
      if (negated || operation.kind !== 'quantified') return false;
      return operation.operator === 'eq' && operation.quantifier === null;
    })
  );
}

function writtenColumns({ columns }: ApiRequest, table: Table, resolver: FieldResolver): ResolvedField[] {
  return columns.map((column) => {
    const field = resolver.written(column);
    if (field !== null) return field;
    throw new RestError(
      'PGRST204',
      `Could not find the '${column}' column of '${table.name}' in the schema cache`,
    );
  });
}

/** The columns to return, including the key for the Location header; none if no row is asked for. */
function returnedColumns(
  { preferences }: ApiRequest,
  readPlan: ReadPlan,
  primaryKey: readonly string[],
): string[] {
  if (preferences.representation === null || preferences.representation === 'minimal') return [];
  const needed = neededColumns(readPlan);
  return needed.includes('*') ? needed : sortedNames([...needed, ...primaryKey]);
}

/** The body's JSON text: the parser turns every body that writes to a relation into JSON. */
function jsonText(payload: Payload | null): string | null {
  return payload?.kind === 'json' ? payload.text : null;
}
