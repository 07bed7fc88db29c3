import { RestError } from '../errors.ts';
import type { RowRange } from './query.ts';

// Ranges of rows (PostgREST, Pagination and Count). Row numbers start at 0, and both ends are inclusive.

/** `last` Infinity: up to the end. Empty if `last` is below `first`. */
export interface Interval {
  readonly first: number;
  readonly last: number;
}

const allRows: Interval = { first: 0, last: Infinity };
const noRows: Interval = { first: Infinity, last: -Infinity };
/** The range of `limit=0`, which is allowed although other empty ranges are not. */
const zeroRows: Interval = { first: 0, last: -1 };

/**
 * The interval of `limit=` and `offset=`; each is null if not given. A text that is not a whole number counts as not
 * given; but next to an offset, such a limit leaves no rows.
 */
export function intervalOf(limit: string | null, offset: string | null): Interval {
  const limited = limit === null ? null : limitInterval(wholeNumber(limit));
  if (offset === null) return limited ?? allRows;
  const first = wholeNumber(offset) ?? 0;
  if (limited === null) return { first, last: Infinity };
  const rows = limited.last === Infinity ? 0 : limited.last + 1;
  return { first, last: first + rows - 1 };
}

/** The range of an embedded level. A negative limit or offset is left for Postgres to refuse. */
export function rowRange({ first, last }: Interval): RowRange {
  return { offset: first, limit: last === Infinity ? null : 1 + last - first };
}

/**
 * The range of the top level: the one asked for, intersected with the Range header, which only GET has (RFC 9110,
 * 14.2).
 */
export function topRange(method: string, rangeHeader: string | undefined, asked: Interval): RowRange {
  const header = method === 'GET' && rangeHeader !== undefined ? headerInterval(rangeHeader) : allRows;
  const isZero = asked.last === zeroRows.last;
  const range = isZero ? zeroRows : intersection(header, asked);
  if (!isZero && isEmpty(range)) {
    throw new RestError('PGRST103', 'Requested range not satisfiable', {
      details: isEmpty(header)
        ? 'The lower boundary must be lower than or equal to the upper boundary in the Range header.'
        : 'Limit should be greater than or equal to zero.',
    });
  }
  if (method === 'PUT' && (range.first !== 0 || range.last !== Infinity)) {
    throw new RestError('PGRST114', 'limit/offset querystring parameters are not allowed for PUT');
  }
  return rowRange(range);
}

function limitInterval(limit: number | null): Interval {
  return limit === null ? allRows : { first: 0, last: limit - 1 };
}

/** `0-9` or `10-`; any other text is ignored. */
function headerInterval(header: string): Interval {
  const match = /^([0-9]+)-([0-9]*)$/.exec(header);
  if (match === null) return allRows;
  const last = match[2] === '' ? Infinity : clamp(Number(match[2]));
  return { first: clamp(Number(match[1])), last };
}

function intersection(a: Interval, b: Interval): Interval {
  if (isEmpty(a) || isEmpty(b)) return noRows;
  return { first: Math.max(a.first, b.first), last: Math.min(a.last, b.last) };
}

function isEmpty({ first, last }: Interval): boolean {
  return last < first;
}

/**
 * Null: the text is not a whole number. As in Haskell, blanks around it and hexadecimal and octal digits are allowed.
 */
function wholeNumber(text: string): number | null {
  const match = /^\s*(-?)\s*([0-9]+|0[xX][0-9a-fA-F]+|0[oO][0-7]+)\s*$/.exec(text);
  if (match?.[2] === undefined) return null;
  const size = clamp(Number(match[2]));
  return match[1] === '-' && size !== 0 ? -size : size;
}

/** Caps a number; no table has that many rows. */
function clamp(number: number): number {
  return Math.min(number, Number.MAX_SAFE_INTEGER);
}
