import type { DatabaseError } from 'pg';
import { RestError } from '../errors.ts';
import type { ShownError } from './error-response.ts';
import { isFinalStatus, isHeader } from './header-syntax.ts';
import type { Header } from './rest-response.ts';

/**
 * The answer that a function defines by `raise sqlstate 'PGRST'`. MESSAGE is a JSON object with the body's keys;
 * DETAIL is one with status, headers and status text (PostgREST, Errors, RAISE errors with HTTP Status Codes and
 * Headers). Unreadable JSON gives PGRST121.
 */
export function parseRaised({ message, detail }: DatabaseError): ShownError {
  const body = parseBody(message);
  if (!body) return unreadable(`Invalid JSON value for MESSAGE: '${message}'`, messageHint);
  if (detail === undefined) return unreadable('DETAIL is missing in the RAISE statement', detailHint);
  const answer = parseAnswer(detail);
  if (!answer) return unreadable(`Invalid JSON value for DETAIL: '${detail}'`, detailHint);
  return { ...body, ...answer };
}

const messageHint =
  "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.";
const detailHint =
  "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.";

function unreadable(details: string, hint: string): RestError {
  return new RestError('PGRST121', 'Could not parse JSON in the "RAISE SQLSTATE \'PGRST\'" error', {
    details,
    hint,
  });
}

function parseBody(text: string): Pick<ShownError, 'code' | 'message' | 'details' | 'hint'> | null {
  const { code, message, details = null, hint = null } = parseObject(text) ?? {};
  if (typeof code !== 'string' || typeof message !== 'string') return null;
  if (!isTextOrNull(details) || !isTextOrNull(hint)) return null;
  return { code, message, details, hint };
}

function parseAnswer(text: string): Pick<ShownError, 'status' | 'reason' | 'headers'> | null {
  const { status, status_text: reason = null, headers } = parseObject(text) ?? {};
  if (!isFinalStatus(status) || !isTextOrNull(reason)) return null;
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return null;
  const pairs = Object.entries(headers as Record<string, unknown>);
  if (!pairs.every(isHeaderPair)) return null;
  const sorted: readonly Header[] = pairs.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { status, reason: reason ?? undefined, headers: sorted };
}

function isHeaderPair(pair: [string, unknown]): pair is [string, string] {
  return typeof pair[1] === 'string' && isHeader(pair[0], pair[1]);
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Readonly<Record<string, unknown>>)
      : null;
  } catch {
    return null;
  }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
