import { expect } from 'vitest';
import { RestError } from '../../../src/rest/errors.ts';
import type { PlanOptions } from '../../../src/rest/plan/plan-request.ts';
import { planRequest } from '../../../src/rest/plan/plan-request.ts';
import type { Plan } from '../../../src/rest/plan/plan.ts';
import type { MediaType } from '../../../src/rest/request/media-type.ts';
import type {
  Action,
  ApiRequest,
  AtPath,
  Field,
  Filter,
  HavingFilter,
  JsonStep,
  LogicTree,
  Operation,
  OrderTerm,
  Preferences,
  Query,
  SelectField,
  SelectItem,
  SelectRelation,
} from '../../../src/rest/request/query.ts';
import type { SchemaCache } from '../../../src/schema-cache/schema-cache.ts';

// Requests as the parser would produce them.

/** A field, with keys for the path into its json. */
export function field(name: string, ...keys: readonly string[]): Field {
  return { name, jsonPath: keys.map((key): JsonStep => ({ arrow: '->', key })) };
}

/** An item of a select: `name`, or an aggregate of it. */
export function select(name: string, more: Partial<SelectField> = {}): SelectField {
  return {
    kind: 'field',
    field: field(name),
    alias: null,
    cast: null,
    aggregate: null,
    aggregateCast: null,
    ...more,
  };
}

/** The item `relation(...select)`. */
export function embed(
  relation: string,
  items: readonly SelectItem[] = [select('*')],
  more: Partial<SelectRelation> = {},
): SelectRelation {
  return {
    kind: 'relation',
    relation,
    alias: null,
    hint: null,
    join: null,
    spread: false,
    select: items,
    ...more,
  };
}

/** The item `...relation(...select)`. */
export function spread(relation: string, items: readonly SelectItem[] = [select('*')]): SelectRelation {
  return embed(relation, items, { spread: true });
}

/** The filter `path.name=eq.value`; everything before the last dot is the path. */
export function filter(name: string, operation: Operation | string = '1', negated = false): AtPath<Filter> {
  const names = name.split('.');
  const last = names.pop() ?? '';
  const meant: Operation =
    typeof operation === 'string'
      ? { kind: 'quantified', operator: 'eq', quantifier: null, value: operation }
      : operation;
  return { path: names, value: { field: field(last), expression: { negated, operation: meant } } };
}

/** An order term; `relation(field)` orders by a field of an embed. */
export function order(name: string, more: Partial<OrderTerm> = {}): OrderTerm {
  const related = /^(.*)\((.*)\)$/.exec(name);
  return {
    relation: related?.[1] ?? null,
    field: field(related?.[2] ?? name),
    direction: null,
    nulls: null,
    ...more,
  };
}

/** The condition `name.aggregate().gt.1` at the top level. */
export function having(
  name: string,
  aggregate: HavingFilter['aggregate'],
  path: readonly string[] = [],
): AtPath<LogicTree<HavingFilter>> {
  const operation: Operation = { kind: 'quantified', operator: 'gt', quantifier: null, value: '1' };
  return {
    path,
    value: {
      kind: 'leaf',
      leaf: { field: field(name), aggregate, expression: { negated: false, operation } },
    },
  };
}

/** A media type without parameters. */
export function plain(name: string): MediaType {
  return { kind: 'plain', name };
}

/** The parts of a request that a test states; the others have defaults. */
export interface Said extends Partial<Omit<ApiRequest, 'query' | 'preferences'>> {
  readonly query?: Partial<Query>;
  readonly preferences?: Partial<Preferences>;
}

/** A whole request. */
export function request(action: Action, { query = {}, preferences = {}, ...said }: Said = {}): ApiRequest {
  return {
    action,
    query: {
      canonical: '',
      parameters: [],
      select: [select('*')],
      filters: [],
      logic: [],
      order: [],
      ranges: [],
      columns: null,
      onConflict: null,
      filterNames: (query.filters ?? []).map(({ path, value }) => [...path, value.field.name].join('.')),
      having: [],
      distinct: null,
      after: null,
      ...query,
    },
    preferences: {
      resolution: null,
      representation: null,
      count: null,
      transaction: null,
      missing: null,
      handling: null,
      timezone: null,
      maxAffected: null,
      invalid: [],
      ...preferences,
    },
    payload: null,
    columns: [],
    topRange: { offset: 0, limit: null },
    schema: 'api',
    profile: null,
    accept: [plain('*/*')],
    contentType: plain('application/json'),
    ...said,
  };
}

/** A GET of a relation. */
export function get(name: string, said: Said = {}): ApiRequest {
  return request({ kind: 'read', schema: 'api', name, headersOnly: false }, said);
}

/** A write to a relation. */
export function write(
  mutation: (Action & { kind: 'mutate' })['mutation'],
  name: string,
  said: Said = {},
): ApiRequest {
  return request({ kind: 'mutate', schema: 'api', name, mutation }, said);
}

/** A call of a function. */
export function call(
  method: (Action & { kind: 'call' })['method'],
  name: string,
  said: Said = {},
): ApiRequest {
  return request({ kind: 'call', schema: 'api', name, method }, said);
}

/** The service with its defaults, and aggregates. */
export const options: PlanOptions = {
  tenantColumn: null,
  maxRows: null,
  aggregatesEnabled: true,
  planEnabled: true,
  legacyTargetNames: true,
};

/** A plan that must be of this kind. */
export function planOf<Kind extends Plan['kind']>(
  kind: Kind,
  asked: ApiRequest,
  cache: SchemaCache,
  more: Partial<PlanOptions> = {},
): Plan & { kind: Kind } {
  const plan = planRequest(asked, cache, { ...options, ...more });
  if (!isOf(plan, kind)) throw new Error(`a plan of kind ${plan.kind} instead of ${kind}`);
  return plan;
}

function isOf<Kind extends Plan['kind']>(plan: Plan, kind: Kind): plan is Plan & { kind: Kind } {
  return plan.kind === kind;
}

/** The body of a refusal. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly details: unknown;
  readonly hint: string | null;
}

/** The refusal with which planning must end. */
export function refusalOf(asked: ApiRequest, cache: SchemaCache, more: Partial<PlanOptions> = {}): Refusal {
  try {
    planRequest(asked, cache, { ...options, ...more });
  } catch (error) {
    expect(error).toBeInstanceOf(RestError);
    if (error instanceof RestError) {
      const { code, message, details, hint } = error;
      return { code, message, details, hint };
    }
  }
  throw new Error('it was not refused');
}
