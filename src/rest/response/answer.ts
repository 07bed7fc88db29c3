import { countMethod } from '../count-method.ts';
import { RestError } from '../errors.ts';
import type { RestOptions } from '../options.ts';
import type { CallAction, MutateAction, OptionsAction, ReadAction } from '../plan/plan.ts';
import { encodeQueryText } from '../request/percent-encoding.ts';
import type { ApiRequest } from '../request/query.ts';
import { returnsVoid } from '../../schema-cache/routine.ts';
import type { ResultRow } from '../sql/request-statements.ts';
import { contentRange, rangeStatus } from './content-range.ts';
import { contentType } from './content-type.ts';
import { errorBody } from './error-response.ts';
import { override } from './override.ts';
import { preferenceApplied } from './preference-applied.ts';
import { notSingular } from './refused-write.ts';
import type { Header, RestResponse } from './rest-response.ts';

/** The results of a plan's statements, with rows as arrays. */
export interface Outcome {
  readonly main: readonly unknown[];
  /** The result of EXPLAIN (format json); null: it was not run. */
  readonly explainCount: readonly unknown[] | null;
}

/**
 * Makes the answer from the statements' results. Throws RestError for headers or a status that functions have set
 * wrongly.
 *
 * @param mountPath path of the API's root as clients see it, without a trailing slash: where its Locations lead
 */
export function answer(
  plan: ReadAction | MutateAction | CallAction,
  request: ApiRequest,
  outcome: Outcome,
  options: RestOptions,
  mountPath: string,
): RestResponse {
  if (plan.mediaType.kind === 'plan') return explained(plan, request, outcome.main);
  const row = (outcome.main[0] ?? noRow) as ResultRow;
  const response = answered(plan, request, row, outcome, options, mountPath);
  return override(response, row[3], row[4]);
}

/** Most characters of a Content-Location: nginx takes 4 kB of headers from a server, node's fetch 16. */
const longestLocation = 2_048;

/** The methods that a resource supports, as `Allow` (PostgREST, Tables and Views, OPTIONS). */
export function answerOptions({ allow }: OptionsAction): RestResponse {
  const headers: Header[] = [
    ['Content-Length', '0'],
    ['Allow', allow],
  ];
  return { status: 200, headers, body: null };
}

const noRow: ResultRow = [null, '0', '', null, null, null, null, null];

function answered(
  plan: ReadAction | MutateAction | CallAction,
  request: ApiRequest,
  row: ResultRow,
  outcome: Outcome,
  options: RestOptions,
  mountPath: string,
): RestResponse {
  switch (plan.kind) {
    case 'read':
      return read(plan, request, row, outcome, options, mountPath);
    case 'mutate':
      return mutated(plan, request, row, options, mountPath);
    case 'call':
      return called(plan, request, row, options);
    default:
      return plan satisfies never;
  }
}

function read(
  plan: ReadAction,
  request: ApiRequest,
  row: ResultRow,
  { explainCount }: Outcome,
  options: RestOptions,
  mountPath: string,
): RestResponse {
  // Only a read is refused after the fact, having changed nothing. A write is refused by its own statement.
  if (plan.mediaType.kind === 'object' && Number(row[1]) !== 1) throw notSingular(Number(row[1]));
  const total = totalOf(request, row, explainCount, options);
  const { status, range, refusal } = page(request, row, total, options);
  const body = refusal ?? row[2] ?? '';
  const headers: Header[] = [
    ['Content-Range', range],
    ...contentLocation(pathOf(plan.relation.name, mountPath), request.query.canonical),
    ...(plan.headersOnly ? [] : [contentLength(body)]),
    ...contentHeaders(plan, request),
    ...preferenceHeader(plan, request),
    ...(row[7] === null || row[7] === undefined ? [] : [['Next-Cursor', row[7]] as const]),
  ];
  return { status, headers, body: plan.headersOnly ? null : body };
}

/**
 * The address at which the answer can be requested again. It is left out if it is so long that a proxy or client
 * would refuse the whole answer.
 */
function contentLocation(path: string, query: string): readonly Header[] {
  const location = `${path}${query === '' ? '' : `?${query}`}`;
  return location.length > longestLocation ? [] : [['Content-Location', location]];
}

/** The path of a relation. At the root of a host it is PostgREST's, which leaves a name as it is. */
function pathOf(relation: string, mountPath: string): string {
  return mountPath === '' ? `/${relation}` : `${mountPath}/${encodeURIComponent(relation)}`;
}

function mutated(
  plan: MutateAction,
  request: ApiRequest,
  row: ResultRow,
  options: RestOptions,
  mountPath: string,
): RestResponse {
  const { preferences } = request;
  const affected = Number(row[1]);
  const full = preferences.representation === 'full';
  const body = full ? (row[2] ?? '') : null;
  const count = countMethod(preferences, options);
  const shouldCount = count === 'exact' || count === 'estimated';
  const total = shouldCount ? affected : null;
  const content = full ? contentHeaders(plan, request) : [];
  const applied = preferenceHeader(plan, request);
  const length = body === null ? [] : [contentLength(body)];
  switch (plan.mutation) {
    case 'insert': {
      const location = row[5] && row[5].length > 0 ? row[5] : null;
      // An upsert that found all its rows present has created nothing.
      const created = preferences.resolution !== 'merge-duplicates' || Number(row[6] ?? 1) > 0;
      const headers: Header[] = [
        contentLength(body ?? ''),
        ...(location
          ? [['Location', `${pathOf(plan.relation.name, mountPath)}?${keyQuery(location)}`] as const]
          : []),
        ['Content-Range', contentRange(1, 0, total)],
        ...applied,
        ...content,
      ];
      return { status: created ? 201 : 200, headers, body };
    }
    case 'update': {
      const range: Header = ['Content-Range', contentRange(0, affected - 1, total)];
      return { status: full ? 200 : 204, headers: [range, ...applied, ...length, ...content], body };
    }
    case 'upsert-one': {
      const status = full ? (Number(row[6] ?? 0) > 0 ? 201 : 200) : 204;
      return { status, headers: [...length, ...content, ...applied], body };
    }
    case 'delete': {
      const range: Header = ['Content-Range', contentRange(1, 0, total)];
      return { status: full ? 200 : 204, headers: [range, ...applied, ...length, ...content], body };
    }
    default:
      return plan.mutation satisfies never;
  }
}

function called(plan: CallAction, request: ApiRequest, row: ResultRow, options: RestOptions): RestResponse {
  const { status, range, refusal } = page(request, row, countOf(row[0]), options);
  const body = refusal ?? row[2] ?? '';
  const headers: Header[] = [['Content-Range', range], ...preferenceHeader(plan, request)];
  if (returnsVoid(plan.callPlan.routine)) return { status: 204, headers, body: null };
  const head = plan.method === 'head';
  if (!head) headers.push(contentLength(body));
  headers.push(...contentHeaders(plan, request));
  return { status, headers, body: head ? null : body };
}

/** The lines of EXPLAIN; in the JSON format they are a single value. */
function explained(
  plan: ReadAction | MutateAction | CallAction,
  request: ApiRequest,
  rows: readonly unknown[],
): RestResponse {
  const lines = (rows as readonly (readonly unknown[])[]).map(([line]) =>
    typeof line === 'string' ? line : JSON.stringify(line, null, 2),
  );
  const body = lines.map((line) => `${line}\n`).join('');
  return { status: 200, headers: [contentLength(body), ...contentHeaders(plan, request)], body };
}

/** Status and range of a page of rows. Beyond the end of all rows, the refusal is the body. */
function page(
  request: ApiRequest,
  row: ResultRow,
  total: number | null,
  options: RestOptions,
): { readonly status: number; readonly range: string; readonly refusal: string | null } {
  const { offset } = request.topRange;
  const count = Number(row[1]);
  const status = rangeStatus(offset, count, total);
  const range = contentRange(offset, offset + count - 1, total);
  if (status !== 416) return { status, range, refusal: null };
  const error = new RestError('PGRST103', 'Requested range not satisfiable', {
    details: `An offset of ${offset} was requested, but there are only ${total ?? 0} rows.`,
  });
  return { status, range, refusal: errorBody(error, options.errorVerbosity) };
}

/**
 * The total number of rows, counted by the requested method (PostgREST, Pagination). `estimated` counts exactly up to
 * the largest page, and beyond that uses the planner's estimate.
 */
function totalOf(
  { preferences }: ApiRequest,
  row: ResultRow,
  explainCount: readonly unknown[] | null,
  options: RestOptions,
): number | null {
  const { maxRows } = options;
  const count = countMethod(preferences, options);
  const counted = countOf(row[0]);
  if (count === 'planned') return plannedRows(explainCount);
  if (count !== 'estimated' || counted === null) return counted;
  if (maxRows !== null && counted <= maxRows) return counted;
  const planned = plannedRows(explainCount);
  return planned === null ? null : Math.max(counted, planned);
}

function countOf(text: string | null): number | null {
  return text === null || text === '' ? null : Number(text);
}

function plannedRows(rows: readonly unknown[] | null): number | null {
  const cell = (rows?.[0] as readonly unknown[] | undefined)?.[0];
  const plans = (typeof cell === 'string' ? JSON.parse(cell) : cell) as
    readonly { readonly Plan?: { readonly 'Plan Rows'?: number } }[] | undefined;
  return plans?.[0]?.Plan?.['Plan Rows'] ?? null;
}

function contentLength(body: string | Buffer): Header {
  return ['Content-Length', String(typeof body === 'string' ? Buffer.byteLength(body) : body.length)];
}

function contentHeaders(plan: ReadAction | MutateAction | CallAction, { profile }: ApiRequest): Header[] {
  const type: Header = ['Content-Type', contentType(plan.mediaType)];
  return profile === null ? [type] : [type, ['Content-Profile', profile]];
}

function preferenceHeader(plan: ReadAction | MutateAction | CallAction, request: ApiRequest): Header[] {
  const applied = preferenceApplied(plan, request);
  return applied === null ? [] : [['Preference-Applied', applied]];
}

/** `id=eq.5` for each key column, percent-encoded. */
function keyQuery(location: readonly string[]): string {
  return location
    .map((pair) => {
      const at = pair.indexOf('=');
      return `${encodeQueryText(pair.slice(0, at))}=${encodeQueryText(pair.slice(at + 1))}`;
    })
    .join('&');
}
