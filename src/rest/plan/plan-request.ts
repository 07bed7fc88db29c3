import type { QualifiedName } from '../../schema-cache/identifier.ts';
import { resultRelation } from '../../schema-cache/routine.ts';
import type { Routine } from '../../schema-cache/routine.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import { RestError } from '../errors.ts';
import type { RestOptions } from '../options.ts';
import type { Action, ApiRequest, Preferences } from '../request/query.ts';
import type { CallMethod } from './call-plan.ts';
import { argumentNames, planCall } from './call-plan.ts';
import { describeFormat } from './describe.ts';
import { findRoutine } from './find-routine.ts';
import { findTable } from './find-table.ts';
import { planKeyset } from './keyset.ts';
import { planMutation } from './mutate-plan.ts';
import type { NegotiatedContent } from './negotiate.ts';
import { negotiate, selectsWholeRows } from './negotiate.ts';
import { relationMethods, rootMethods, routineMethods } from './options.ts';
import type { CallAction, MutateAction, Plan, ReadAction, ReadPlan } from './plan.ts';
import type { ReadOptions } from './read-plan.ts';
import { planRead } from './read-plan.ts';
import { fieldResolver } from './resolve-field.ts';

/** The part of the service's options that planning needs. */
export type PlanOptions = ReadOptions & Pick<RestOptions, 'planEnabled' | 'tenantColumn'>;

/**
 * Plans a request against the catalog: looks up every name, refuses every ambiguity, and asks the database nothing.
 * Pure and total: it gives a plan, or throws a RestError (PGRST1xx for what cannot be done, PGRST2xx for what does
 * not exist).
 */
export function planRequest(request: ApiRequest, cache: SchemaCache, options: PlanOptions): Plan {
  const { action } = request;
  switch (action.kind) {
    case 'read':
      return planReading(action, request, cache, options);
    case 'mutate':
      return planWriting(action, request, cache, options);
    case 'call':
      return planCalling(action, action.method, request, cache, options);
    case 'describe':
      return {
        kind: 'describe',
        schema: action.schema,
        headersOnly: action.headersOnly,
        format: describeFormat(request),
      };
    case 'relation-options':
      return { kind: 'options', allow: relationMethods(findTable(cache, action)) };
    case 'routine-options': {
      // As for a call by HEAD without arguments: PostgREST does not find a function that requires arguments here,
      // either.
      const call = planCalling(action, 'head', request, cache, options);
      return { kind: 'options', allow: routineMethods(call.callPlan.routine) };
    }
    case 'root-options':
      return { kind: 'options', allow: rootMethods };
    default:
      return action satisfies never;
  }
}

function planReading(
  action: Action & { kind: 'read' },
  request: ApiRequest,
  cache: SchemaCache,
  options: PlanOptions,
): ReadAction {
  const relation = nameOf(findTable(cache, action));
  const readPlan = planRead(relation, request, cache, options);
  const keyset = planKeyset(request, readPlan, fieldResolver(cache, relation));
  const content = contentOf(request, cache, relation, readPlan, options);
  refuseUnknownPreferences(request.preferences);
  const { headersOnly } = action;
  return {
    kind: 'read',
    relation,
    readPlan,
    ...(headersOnly ? withoutBody(content) : content),
    headersOnly,
    keyset,
  };
}

function planWriting(
  { mutation, schema, name }: Action & { kind: 'mutate' },
  request: ApiRequest,
  cache: SchemaCache,
  options: PlanOptions,
): MutateAction {
  const table = findTable(cache, { schema, name });
  const relation = nameOf(table);
  const readPlan = planRead(relation, request, cache, options);
  const mutatePlan = planMutation(mutation, table, request, readPlan, cache, options);
  refuseUnknownPreferences(request.preferences);
  const content = contentOf(request, cache, relation, readPlan, options);
  const shown = request.preferences.representation === 'full' ? content : withoutBody(content);
  return { kind: 'mutate', relation, readPlan, ...shown, mutation, mutatePlan };
}

function planCalling(
  { schema, name }: QualifiedName,
  method: CallMethod,
  request: ApiRequest,
  cache: SchemaCache,
  options: PlanOptions,
): CallAction {
  const withBody = method === 'post';
  const routine = findRoutine(cache, {
    schema,
    name,
    argumentNames: argumentNames(request, method),
    withBody,
    contentType: request.contentType,
  });
  const relation = { schema: routine.schema, name: resultRelation(routine) ?? routine.name };
  const readPlan = planRead(relation, request, cache, options);
  const callPlan = planCall(routine, request, method, readPlan);
  const content = contentOf(request, cache, relation, readPlan, options);
  refuseUnknownPreferences(request.preferences);
  refuseMaxAffectedOfOne(request.preferences, routine);
  const shown = method === 'head' ? withoutBody(content) : content;
  const readOnly = !withBody || routine.volatility !== 'volatile';
  return { kind: 'call', relation, readPlan, ...shown, method, callPlan, readOnly };
}

function nameOf({ schema, name }: QualifiedName): QualifiedName {
  return { schema, name };
}

function contentOf(
  { accept }: ApiRequest,
  cache: SchemaCache,
  relation: QualifiedName,
  readPlan: ReadPlan,
  { planEnabled }: PlanOptions,
): NegotiatedContent {
  return negotiate(cache, { accept, relation, wholeRows: selectsWholeRows(readPlan), planEnabled });
}

function withoutBody({ mediaType }: NegotiatedContent): NegotiatedContent {
  return { handler: { kind: 'none' }, mediaType };
}

function refuseUnknownPreferences({ handling, invalid }: Preferences): void {
  if (handling !== 'strict' || invalid.length === 0) return;
  throw new RestError('PGRST122', 'Invalid preferences given with handling=strict', {
    details: `Invalid preferences: ${invalid.join(', ')}`,
  });
}

function refuseMaxAffectedOfOne({ handling, maxAffected }: Preferences, { returns }: Routine): void {
  if (handling !== 'strict' || maxAffected === null || returns.setOf) return;
  throw new RestError(
    'PGRST128',
    'Function must return SETOF or TABLE when max-affected preference is used with handling=strict',
  );
}
