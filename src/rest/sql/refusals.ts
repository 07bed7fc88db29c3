import { randomBytes } from 'node:crypto';
import { fragment, join, parameter } from './fragment.ts';
import type { Fragment } from './fragment.ts';

/** Why a write, though Postgres did it, must not stand: PostgREST's codes, and an answer that is too large. */
export type RefusalCode = 'PGRST115' | 'PGRST116' | 'PGRST124' | 'LTR011';

/** A refusal, with the number of rows that it is about. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly rows: number;
}

/** When `violated`, an expression over the count of rows, is true, the statement fails. */
export interface Check {
  readonly violated: Fragment;
  readonly code: RefusalCode;
}

/**
 * Stands before what is cast, so that no text which somebody sends in place of a number is ever taken for a refusal. Drawn
 * once for each process; never in a statement's text.
 */
const mark = `LTR:${randomBytes(12).toString('base64url')}`;

/**
 * `rowCount`, unless one of the checks is violated, the first one first: then a cast fails, and with it the statement and
 * all that it wrote. That is how a write is undone without a second round trip.
 */
export function checkedCount(rowCount: Fragment, checks: readonly Check[]): Fragment {
  if (checks.length === 0) return rowCount;
  const cases = checks.map(
    ({ violated, code }) =>
      fragment`when ${violated} then (${parameter(`${mark}:${code}:`)}::text || ${rowCount})::bigint`,
  );
  return fragment`case ${join(cases, ' ')} else ${rowCount} end`;
}

/** The refusal that an error's message (SQLSTATE 22P02, in whatever language) stands for; null: it is another error. */
export function refusalFrom(message: string): Refusal | null {
  const start = message.indexOf(`${mark}:`);
  if (start < 0) return null;
  const [, code, rows] =
    /^(PGRST115|PGRST116|PGRST124|LTR011):(\d+)/.exec(message.slice(start + mark.length + 1)) ?? [];
  return code === undefined ? null : { code: code as RefusalCode, rows: Number(rows) };
}
