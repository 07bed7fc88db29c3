import type { RestOptions } from '../options.ts';
import { negotiateSchema, parseAction, parsePath } from './action.ts';
import { parseAccept, parseMediaType } from './parse-media-type.ts';
import { parseQuery } from './parse-query.ts';
import { parsePayload } from './payload.ts';
import { decodeHeader } from './percent-encoding.ts';
import { parsePreferences } from './preferences.ts';
import type { Action, ApiRequest } from './query.ts';
import type { RawRequest } from './raw-request.ts';
import { topRange } from './row-range.ts';

/** Settings for parsing a request. */
export interface ParseSettings {
  /**
   * Values of plain filters become placeholders, so that one plan serves all requests of a `requestShape`. The
   * canonical form still holds the values of this request: `canonicalQuery` makes that of another.
   */
  readonly placeholders: boolean;
  /** Most keys of a body; more are refused with LTR010. Left out: any number. */
  readonly maxKeys?: number;
}

/**
 * Parses a request: the action that it wants, and its parameters. Nothing is compared with the catalog. Throws
 * RestError in the order in which PostgREST checks: path, schema, method, query string, range, body.
 */
export function parseRequest(
  raw: RawRequest,
  options: RestOptions,
  settings: ParseSettings = { placeholders: false },
): ApiRequest {
  const resource = parsePath(raw.path, options);
  const { schema, profile } = negotiateSchema(raw, options);
  const action = parseAction(resource, schema, raw.method);
  const { query, topInterval } = parseQuery(raw.query, {
    ...queryUse(action),
    placeholders: settings.placeholders,
  });
  const range = topRange(raw.method, raw.headers['range'], topInterval);
  const contentType = parseMediaType(decodeHeader(raw.headers['content-type'] ?? 'application/json'));
  const { payload, columns } = parsePayload(raw.body, contentType, action, query, settings.maxKeys);
  return {
    action,
    query,
    preferences: parsePreferences(raw.headers['prefer'], options.transactionEnd.endsWith('-allow-override')),
    payload,
    columns,
    topRange: range,
    schema,
    profile,
    accept: parseAccept(raw.headers['accept']),
    contentType,
  };
}

function queryUse(action: Action): { readonly callsFunction: boolean; readonly readsRelation: boolean } {
  return {
    callsFunction: action.kind === 'call' && action.method !== 'post',
    readsRelation: action.kind === 'read',
  };
}
