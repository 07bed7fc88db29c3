import { randomBytes } from 'node:crypto';
import { fragment, join, parameter } from './fragment.ts';
import type { Fragment } from './fragment.ts';

/** Reasons to undo a write that Postgres has carried out: PostgREST's codes, and an answer that is too large. */
export type RefusalCode = 'PGRST115' | 'PGRST116' | 'PGRST124' | 'LTR011';

/** A refusal, and the number of rows that caused it. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly rows: number;
}

/** A check of a statement: it fails if `violated`, an expression over the count of rows, is true. */
export interface Check {
  readonly violated: Fragment;
  readonly code: RefusalCode;
}

/**
 * Marks the text that is cast, so that a text sent in place of a number can never be taken for a refusal. Drawn once per
 * process; never part of a statement's text.
 */
const mark = `LTR:${randomBytes(12).toString('base64url')}`;

/**
 * `rowCount`, unless a check is violated (the first one counts): then a cast fails, and with it the statement and all
 * that it wrote. This undoes a write without a second round trip.
 */
export function checkedCount(rowCount: Fragment, checks: readonly Check[]): Fragment {
  if (checks.length === 0) return rowCount;
  const cases = checks.map(
    ({ violated, code }) =>
      fragment`when ${violated} then (${parameter(`${mark}:${code}:`)}::text || ${rowCount})::bigint`,
  );
  return fragment`case ${join(cases, ' ')} else ${rowCount} end`;
}

/** The refusal in an error's message (SQLSTATE 22P02, in any language); null: it is another error. */
export function refusalFrom(message: string): Refusal | null {
  const start = message.indexOf(`${mark}:`);
  if (start < 0) return null;
  const [, code, rows] =
    /^(PGRST115|PGRST116|PGRST124|LTR011):(\d+)/.exec(message.slice(start + mark.length + 1)) ?? [];
  return code === undefined ? null : { code: code as RefusalCode, rows: Number(rows) };
}
