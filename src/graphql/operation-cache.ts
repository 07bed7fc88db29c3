import { GraphQLError, parse, specifiedRules, validate } from 'postgraphile/graphql';
import type { DocumentNode, GraphQLSchema } from 'postgraphile/graphql';
import type { ErrorCode } from '../errors.ts';
import { depthLimitRule } from './depth-limit.ts';

/** A query's text, parsed and validated; or why it cannot run, each error with its code. */
export type PreparedQuery =
  | { readonly document: DocumentNode; readonly errors?: undefined }
  | { readonly document?: undefined; readonly errors: readonly GraphQLError[] };

/** Queries remembered, and the longest text that is: with literals in the text every query is another one. */
const maxQueries = 500;
const maxRememberedLength = 20_000;

/** Parses and validates each text once. The same document each time is also what grafast finds its plans by. */
export function makePrepareQuery(schema: GraphQLSchema): (text: string) => PreparedQuery {
  const rules = [...specifiedRules, depthLimitRule];
  const remembered = new Map<string, PreparedQuery>();
  return (text) => {
    const known = remembered.get(text);
    if (known) return known;
    const prepared = prepare(schema, rules, text);
    if (prepared.document && text.length <= maxRememberedLength) {
      if (remembered.size >= maxQueries) {
        const oldest = remembered.keys().next();
        if (!oldest.done) remembered.delete(oldest.value);
      }
      remembered.set(text, prepared);
    }
    return prepared;
  };
}

function prepare(schema: GraphQLSchema, rules: Parameters<typeof validate>[2], text: string): PreparedQuery {
  let document: DocumentNode;
  try {
    document = parse(text, { maxTokens: 50_000 });
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [withCode(error, 'GRAPHQL_PARSE_FAILED')] };
    throw error;
  }
  const errors = validate(schema, document, rules, { maxErrors: 10 });
  if (errors.length === 0) return { document };
  return { errors: errors.map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED')) };
}

/** A rule that gave the error a code of its own knows better. */
function withCode(error: GraphQLError, code: ErrorCode): GraphQLError {
  error.extensions['code'] ??= code;
  return error;
}
