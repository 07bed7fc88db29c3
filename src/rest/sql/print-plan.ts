import { maxPreparedText } from '../../db/statement.ts';
import type { Routine } from '../../schema-cache/routine.ts';
import { returnsScalar } from '../../schema-cache/routine.ts';
import { countMethod } from '../count-method.ts';
import type { RestOptions } from '../options.ts';
import type { CallAction, MutateAction, ReadAction } from '../plan/plan.ts';
import { sourceName } from '../plan/plan.ts';
import type { ApiRequest } from '../request/query.ts';
import { callQuery } from './call.ts';
import { matchingRows, totalCount } from './count.ts';
import { estimated, explained } from './explain.ts';
import { fragment, identifier, nothing, parameter, toStatement, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';
import { body, isAggregate } from './handlers.ts';
import type { AnswerRows } from './handlers.ts';
import { cursor, keysetPage } from './keyset.ts';
import { location } from './location.ts';
import { insertedCount, isUpsert, mutateQuery } from './mutate.ts';
import { readQuery } from './read.ts';
import { checkedCount } from './refusals.ts';
import type { Check } from './refusals.ts';
import type { RequestStatements } from './request-statements.ts';

// An alias and a name for the parts of each statement. No user's table or column has these names by accident.
const page = identifier('lightning_page');
const source = identifier(sourceName);
const counted = verbatim('count(*)');
const noCount = verbatim('null::bigint');
const noLocation = verbatim('null::text[]');
const noCursor = verbatim('null::text');

/** The statements of a plan. Pure; throws only for plans that contradict themselves. */
export function requestStatements(
  plan: ReadAction | MutateAction | CallAction,
  request: ApiRequest,
  options: RestOptions,
): RequestStatements {
  const query = print(plan, request, options);
  const explains = isExplained(plan);
  const { text, values } = toStatement(
    plan.mediaType.kind === 'plan' ? explained(query, plan.mediaType) : query,
  );
  const prepare = options.preparedStatements && !explains && text.length <= maxPreparedText;
  return {
    main: { text, values, arrayMode: true, prepare },
    explainCount: explains ? null : explainCount(plan, request, options),
  };
}

function print(
  plan: ReadAction | MutateAction | CallAction,
  request: ApiRequest,
  options: RestOptions,
): Fragment {
  switch (plan.kind) {
    case 'read':
      return printRead(plan, request, options);
    case 'mutate':
      return printMutation(plan, request, options);
    case 'call':
      return printCall(plan, request, options);
    default:
      return plan satisfies never;
  }
}

/** The planner's count, only for reads: the planner knows nothing about the rows of a function. */
function explainCount(
  plan: ReadAction | MutateAction | CallAction,
  request: ApiRequest,
  options: RestOptions,
) {
  const count = countMethod(request.preferences, options);
  if (plan.kind !== 'read' || (count !== 'planned' && count !== 'estimated')) return null;
  return { ...toStatement(estimated(matchingRows(plan.readPlan))), arrayMode: true };
}

function printRead(plan: ReadAction, request: ApiRequest, options: RestOptions): Fragment {
  const { readPlan, keyset, handler } = plan;
  const rowsQuery = keyset === null ? readQuery(readPlan) : keysetPage(readPlan, keyset);
  const row = keyset === null ? fragment`${page}.*` : fragment`${page}."row"`;
  const answer = {
    totalCount: totalCount(readPlan, request, options, counted),
    pageCount: counted,
    cursor: keyset === null ? null : cursor(readPlan, page),
  };
  if (handler.kind !== 'csv')
    return result(
      { ...answer, body: body(handler, { name: page, row, again: null, routine: null }) },
      fragment`(${rowsQuery}) as ${page}`,
    );
  return fragment`with ${page} as (${rowsQuery}) ${result(
    { ...answer, body: body(handler, { name: page, row, again: page, routine: null }) },
    page,
  )}`;
}

function printMutation(plan: MutateAction, request: ApiRequest, options: RestOptions): Fragment {
  const { mutatePlan, readPlan, handler } = plan;
  // Without a body, the columns of `select` are ignored, even those that do not exist.
  const rowsQuery = handler.kind === 'none' ? null : readQuery(readPlan);
  const isLocated = mutatePlan.kind === 'insert' && request.preferences.representation === 'headers-only';
  const { withPages, rows, from } = rowsOf(rowsQuery, handler.kind === 'csv', null);
  const made = body(handler, rows);
  const answer = result(
    {
      totalCount: noCount,
      pageCount: checkedCount(counted, [
        ...mutationChecks(plan, request),
        ...(handler.kind === 'none' ? [] : sizeCheck(made, options)),
      ]),
      body: made,
      location: isLocated ? location(source, counted, mutatePlan.primaryKey) : null,
      insertedCount: isUpsert(mutatePlan) ? insertedCount : null,
    },
    from,
  );
  return fragment`with ${source} as (${mutateQuery(mutatePlan)})${withPages} ${answer}`;
}

function printCall(plan: CallAction, request: ApiRequest, options: RestOptions): Fragment {
  const { callPlan, readPlan, handler } = plan;
  const { routine } = callPlan;
  // PostgREST reports 1 for any function that does not return a set, with rows or without.
  const rowCount = routine.returns.setOf ? counted : verbatim('1::bigint');
  const { withPages, rows, from } = rowsOf(readQuery(readPlan), handler.kind === 'csv', routine);
  const answer = result(
    {
      totalCount: totalCount(readPlan, request, options, rowCount),
      pageCount: routine.returns.setOf ? checkedCount(counted, callChecks(plan, request)) : rowCount,
      body: body(handler, rows),
    },
    from,
  );
  // The value is not used then, and Postgres would skip a stable function whose value is not used.
  const called =
    !isAggregate(handler, routine) && returnsScalar(routine) ? verbatim('materialized ') : nothing;
  return fragment`with ${source} as ${called}(${callQuery(callPlan)})${withPages} ${answer}`;
}

/** The source of the answer's rows: `from`, after `withPages`. */
function rowsOf(
  rowsQuery: Fragment | null,
  readTwice: boolean,
  routine: Routine | null,
): { readonly withPages: Fragment; readonly rows: AnswerRows; readonly from: Fragment } {
  const rows = { name: page, row: fragment`${page}.*`, again: readTwice ? page : null, routine };
  if (rowsQuery === null) return { withPages: nothing, rows, from: fragment`${source} as ${page}` };
  if (readTwice) return { withPages: fragment`, ${page} as (${rowsQuery})`, rows, from: page };
  return { withPages: nothing, rows, from: fragment`(${rowsQuery}) as ${page}` };
}

/** The columns of a `ResultRow`. */
interface Answer {
  readonly totalCount: Fragment;
  readonly pageCount: Fragment;
  readonly body: Fragment;
  readonly location?: Fragment | null;
  readonly insertedCount?: Fragment | null;
  readonly cursor?: Fragment | null;
}

function result(answer: Answer, from: Fragment): Fragment {
  const {
    totalCount: total,
    pageCount,
    body: made,
    location: place,
    insertedCount: inserted,
    cursor: next,
  } = answer;
  return fragment`select ${total} as total_count, ${pageCount} as page_count, ${made} as body, nullif(current_setting('response.headers', true), '') as response_headers, nullif(current_setting('response.status', true), '') as response_status, ${
    place ?? noLocation
  } as location, ${inserted ?? noCount} as inserted_count, ${next ?? noCursor} as cursor from ${from}`;
}

function mutationChecks(plan: MutateAction, request: ApiRequest): Check[] {
  // PUT always writes a single row; that is different from a caller's wish for a single object.
  if (plan.mutation === 'upsert-one')
    return isExplained(plan) ? [] : [{ violated: verbatim('count(*) <> 1'), code: 'PGRST115' }];
  return [...singularCheck(plan), ...(plan.mutation === 'insert' ? [] : maxAffectedCheck(plan, request))];
}

function callChecks(plan: CallAction, request: ApiRequest): Check[] {
  return [...singularCheck(plan), ...maxAffectedCheck(plan, request)];
}

/** A single object is wanted: PostgREST, Singular or Plural. */
function singularCheck({ mediaType }: MutateAction | CallAction): Check[] {
  return mediaType.kind === 'object' ? [{ violated: verbatim('count(*) <> 1'), code: 'PGRST116' }] : [];
}

/** PostgREST, Prefer Header, Max Affected: only under `handling=strict`. */
function maxAffectedCheck(plan: MutateAction | CallAction, { preferences }: ApiRequest): Check[] {
  const { maxAffected, handling } = preferences;
  if (maxAffected === null || handling !== 'strict' || isExplained(plan)) return [];
  return [{ violated: fragment`count(*) > ${parameter(String(maxAffected))}`, code: 'PGRST124' }];
}

/**
 * Checks the size of a write's answer: if it is too large to be sent, the write must be undone. Reads are measured as
 * they arrive.
 */
function sizeCheck(made: Fragment, { budgets }: RestOptions): Check[] {
  if (budgets === null) return [];
  const most = parameter(String(budgets.identified.answerBytes));
  return [{ violated: fragment`octet_length(${made}) > ${most}::bigint`, code: 'LTR011' }];
}

/**
 * Whether the plan is only explained. Nothing is refused then: it shows what would run, whatever the result would be.
 */
function isExplained({ mediaType }: ReadAction | MutateAction | CallAction): boolean {
  return mediaType.kind === 'plan';
}
