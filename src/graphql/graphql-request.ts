import { AppError } from '../errors.ts';

/** The parameters of a GraphQL request. `extensions` is accepted and not looked at. */
export interface GraphqlRequest {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  readonly operationName: string | undefined;
}

/** Parses a request's body. Throws MALFORMED_BODY. */
export function parseGraphqlRequest(body: Buffer): GraphqlRequest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw malformed(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return checkGraphqlRequest(parsed);
}

/** Checks the shape of a request that is an object already. Throws MALFORMED_BODY. */
export function checkGraphqlRequest(parsed: unknown): GraphqlRequest {
  if (!isObject(parsed)) throw malformed('the body is not a JSON object');
  const { query, variables, operationName } = parsed;
  if (typeof query !== 'string') throw malformed('`query` is missing, or not a string');
  if (variables !== undefined && variables !== null && !isObject(variables)) {
    throw malformed('`variables` is not an object');
  }
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string') {
    throw malformed('`operationName` is not a string');
  }
  return { query, variables: variables ?? undefined, operationName: operationName ?? undefined };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(message: string): AppError {
  return new AppError('MALFORMED_BODY', message, {
    hint: 'Send {"query": "...", "variables": {...}} as application/json.',
  });
}
