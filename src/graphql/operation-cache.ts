import { GraphQLError, parse, specifiedRules, validate } from 'postgraphile/graphql';
import type { DocumentNode, GraphQLSchema } from 'postgraphile/graphql';
import type { ErrorCode } from '../errors.ts';
import { depthLimitRule } from './depth-limit.ts';

/** A query's text, parsed and validated; or why it cannot run, with the code that says at which step. */
export type PreparedQuery =
  | { readonly document: DocumentNode; readonly errors?: undefined }
  | { readonly document?: undefined; readonly errors: readonly GraphQLError[]; readonly code: ErrorCode };

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
    if (error instanceof GraphQLError) return { errors: [error], code: 'GRAPHQL_PARSE_FAILED' };
    throw error;
  }
  const errors = validate(schema, document, rules, { maxErrors: 10 });
  return errors.length > 0 ? { errors, code: 'GRAPHQL_VALIDATION_FAILED' } : { document };
}
