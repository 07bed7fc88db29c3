import { parseExactNumbers } from '../../exact-json.ts';
import type { GivenValue } from '../../refused-value.ts';
import { isStackOverflow } from '../../too-deep.ts';
import type { ArgumentValue, CallPlan, MutatePlan, Plan } from '../plan/plan.ts';
import type { Payload } from '../request/query.ts';
import { queryPairs } from '../request/query-pairs.ts';

interface Target {
  readonly name: string;
  readonly type: string;
}

/**
 * The values that a request gives to arguments, columns and filters, to name one that Postgres refuses. The body is the request's, because a
 * plan may be shared by many. `query` is the raw query string.
 */
export function givenValues(plan: Plan, payload: Payload | null, query: string): readonly GivenValue[] {
  const body = payload?.kind === 'json' ? payload.text : null;
  switch (plan.kind) {
    case 'call':
      return [...givenArguments(plan.callPlan, body), ...givenFilters(query)];
    case 'mutate':
      return [...givenColumns(plan.mutatePlan, body), ...givenFilters(query)];
    case 'read':
      return givenFilters(query);
    case 'describe':
    case 'options':
      return [];
    default:
      return plan satisfies never;
  }
}

function givenArguments(
  { parameters, arguments: given }: CallPlan,
  body: string | null,
): readonly GivenValue[] {
  if (parameters.kind !== 'named') return [];
  if (given.kind === 'body') return inBody(body, parameters.parameters);
  return parameters.parameters.map(({ name, type }) => ({
    name,
    type,
    texts: listed(given.values.get(name)),
  }));
}

function listed(value: ArgumentValue | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

function givenColumns(plan: MutatePlan, body: string | null): readonly GivenValue[] {
  if (plan.kind === 'delete') return [];
  return inBody(body, plan.columns);
}

/** The members of a body that a call or a write uses; those of several rows with the place of the row. */
function inBody(body: string | null, targets: readonly Target[]): readonly GivenValue[] {
  const json = body === null ? null : parsed(body);
  const rows: readonly unknown[] = Array.isArray(json) ? json : [json];
  return rows.flatMap((row, index) =>
    typeof row === 'object' && row !== null
      ? targets
          .filter(({ name }) => Object.hasOwn(row, name))
          .map(({ name, type }) => ({
            name: rows.length > 1 ? `[${index}].${name}` : name,
            type,
            texts: textsOf((row as Record<string, unknown>)[name]),
          }))
      : [],
  );
}

function parsed(body: string): unknown {
  try {
    return parseExactNumbers(body);
  } catch {
    return null;
  }
}

/** The value as text, and the elements of an array; none of a value that nests deeper than the stack. */
function textsOf(value: unknown): readonly string[] {
  const elements = Array.isArray(value) ? value.filter((item) => !Array.isArray(item)) : [];
  try {
    return [value, ...elements].map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
  } catch (error) {
    if (isStackOverflow(error)) return [];
    throw error;
  }
}

/** The conditions of the query string, each with everything that may be its value: `not.eq.x` is `not.eq.x`, `eq.x` and `x`. */
function givenFilters(query: string): readonly GivenValue[] {
  return queryPairs(query).flatMap(({ name, value }) => {
    if (value === null || notConditions.has(name.replace(/^.*\./, ''))) return [];
    const parts = value.split('.');
    const texts = parts.map((_, i) => parts.slice(i).join('.'));
    const [, list] = /^(?:not\.)?\w+(?:\(\w+\))?\.[({](.*)[)}]$/s.exec(value) ?? [];
    return [{ name, type: null, texts: list === undefined ? texts : [...texts, ...list.split(',')] }];
  });
}

const notConditions = new Set(['select', 'order', 'limit', 'offset', 'columns', 'on_conflict']);
