import type { Routine } from '../../schema-cache/routine.ts';
import type { Action, ApiRequest, Payload } from '../request/query.ts';
import { filteredColumns, neededColumns } from './needed-columns.ts';
import type { ArgumentValue, CallPlan, ReadPlan } from './plan.ts';
import { sortedNames } from './sorted-names.ts';

/** The HTTP method by which a function is called. */
export type CallMethod = (Action & { kind: 'call' })['method'];

/** Names of the arguments in a request, sorted and without duplicates. */
export function argumentNames({ query, columns }: ApiRequest, method: CallMethod): readonly string[] {
  return method === 'post' ? columns : sortedNames(query.parameters.map(([name]) => name));
}

/** The call of a function, returning the columns that `readPlan` needs. */
export function planCall(
  routine: Routine,
  request: ApiRequest,
  method: CallMethod,
  readPlan: ReadPlan,
): CallPlan {
  const needed = neededColumns(readPlan);
  const all = needed.length === 0 || needed.includes('*');
  return {
    routine,
    parameters: parametersOf(routine, argumentNames(request, method)),
    arguments: argumentsOf(routine, request, method),
    returning: all ? ['*'] : sortedNames([...needed, ...filteredColumns(readPlan)]),
  };
}

function parametersOf({ parameters }: Routine, names: readonly string[]): CallPlan['parameters'] {
  const [first] = parameters;
  if (parameters.length === 1 && first?.name === '') return { kind: 'single-unnamed', parameter: first };
  const given = new Set(names);
  return { kind: 'named', parameters: parameters.filter(({ name }) => given.has(name)) };
}

function argumentsOf(
  routine: Routine,
  { query, payload }: ApiRequest,
  method: CallMethod,
): CallPlan['arguments'] {
  if (method !== 'post') return { kind: 'direct', values: valuesByName(routine, query.parameters) };
  if (payload?.kind === 'form') return { kind: 'direct', values: valuesByName(routine, payload.pairs) };
  return { kind: 'body', body: bodyOf(payload) };
}

function bodyOf(payload: Exclude<Payload, { kind: 'form' }> | null): string | Buffer | null {
  if (payload === null) return null;
  return payload.kind === 'json' ? payload.text : payload.bytes;
}

/** Values by parameter: a variadic parameter takes every value of its name, any other the last. */
function valuesByName(
  { parameters }: Routine,
  pairs: readonly (readonly [name: string, value: string])[],
): ReadonlyMap<string, ArgumentValue> {
  const variadic = new Set(parameters.filter((parameter) => parameter.variadic).map(({ name }) => name));
  const values = new Map<string, ArgumentValue>();
  for (const [name, value] of pairs) {
    values.set(name, variadic.has(name) ? [...(values.get(name) ?? []), value] : value);
  }
  return values;
}
