import { isUtf8 } from 'node:buffer';
import { AppError } from '../errors.ts';
import { parseExactNumbers } from '../exact-json.ts';
import { excessiveKeys, maxObjectKeys } from '../http/largest-object.ts';
import { longNumbersHint, longNumbersRule, printsTooLong } from '../http/long-numbers.ts';
import { storableGraphql, storableJson, storableJsonBytes } from '../storable-text.ts';

/**
 * The parameters of a GraphQL request, without `extensions`, which nothing uses. U+FFFD has taken the place of what Postgres
 * cannot store (src/storable-text.ts).
 */
export interface GraphqlRequest {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  readonly operationName: string | undefined;
}

/** Parses a request's body. Throws MALFORMED_BODY or QUERY_TOO_COMPLEX. */
export function parseGraphqlRequest(body: Buffer): GraphqlRequest {
  if (!isUtf8(body)) throw malformed('the body is not UTF-8');
  const text = storableJsonBytes(body).toString('utf8');
  const tooWide = wideObjectError(text);
  if (tooWide !== null) throw tooWide;
  let parsed: unknown;
  try {
    parsed = parseExactNumbers(text);
  } catch (error) {
    throw malformed(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return checkGraphqlRequest(parsed);
}

/** The error for JSON text with an object too large to parse in good time, or with numbers too long to print; null: it has none. */
export function wideObjectError(text: string): AppError | null {
  if (printsTooLong(text)) return longNumbers('variables');
  const keys = excessiveKeys(text);
  if (keys === null) return null;
  return new AppError(
    'QUERY_TOO_COMPLEX',
    `an object of the request has ${keys} keys; at most ${maxObjectKeys} are allowed`,
  );
}

/**
 * Reads the parameters of a GET (GraphQL over HTTP, GET): `variables` and `extensions` are JSON, and an empty parameter
 * counts as absent. Throws what `checkGraphqlRequest` throws.
 *
 * @param target path and query
 */
export function parseGraphqlQueryString(target: string): GraphqlRequest {
  const at = target.indexOf('?');
  const parameters = new URLSearchParams(at < 0 ? '' : target.slice(at).replaceAll('%00', '%EF%BF%BD'));
  const given: Record<string, unknown> = {};
  for (const name of ['query', 'operationName', 'variables', 'extensions']) {
    const [value, another] = parameters.getAll(name);
    if (another !== undefined) throw malformed(`\`${name}\` comes more than once in the URL`);
    if (value === undefined || value === '') continue;
    given[name] = name === 'variables' || name === 'extensions' ? jsonOf(name, value) : value;
  }
  return checkGraphqlRequest(given);
}

function jsonOf(name: string, text: string): unknown {
  try {
    return parseExactNumbers(storableJson(text));
  } catch (error) {
    throw malformed(
      `\`${name}\` of the URL is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Checks the shape of a parsed request. Throws MALFORMED_BODY or PERSISTED_QUERY_NOT_SUPPORTED. */
export function checkGraphqlRequest(parsed: unknown): GraphqlRequest {
  if (!isObject(parsed)) throw malformed('the body is not a JSON object');
  const { query, variables, operationName, extensions } = parsed;
  if (query === undefined && isObject(extensions) && extensions['persistedQuery'] !== undefined) {
    // Clients look for this message, and then send the query's text (Apollo, Automatic Persisted Queries).
    throw new AppError('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported');
  }
  if (typeof query !== 'string') {
    throw malformed('`query` is missing, or not a string');
  }
  if (printsTooLong(query)) throw longNumbers('query');
  if (variables !== undefined && variables !== null && !isObject(variables)) {
    throw malformed('`variables` is not an object');
  }
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string') {
    throw malformed('`operationName` is not a string');
  }
  return {
    query: storableGraphql(query),
    variables: variables ?? undefined,
    operationName: operationName ?? undefined,
  };
}

function longNumbers(name: string): AppError {
  return new AppError('QUERY_TOO_COMPLEX', `invalid ${name}: ${longNumbersRule}`, { hint: longNumbersHint });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(message: string): AppError {
  return new AppError('MALFORMED_BODY', message, {
    hint: 'Send {"query": "...", "variables": {...}} as application/json by POST, or ?query=... by GET. A page to write queries is at /graphiql.',
  });
}
