import { GraphQLError } from 'postgraphile/graphql';
import type { OperationDefinitionNode } from 'postgraphile/graphql';
import type { ErrorCode } from '../../errors.ts';
import type { PageSizes, RequestBudget } from '../../request-budget.ts';
import type { Cost } from './measure.ts';

/** Most fields nested in each other. GraphiQL's own introspection query has 15. */
export const maxQueryDepth = 20;
/** Most operations in a document, of which one runs. */
export const maxOperations = 50;

/** Limits that hold for every caller. */
export interface QueryLimits {
  readonly pages: PageSizes;
  /** Counted as in `Cost`. */
  readonly introspection: number;
  readonly lookups: number;
}

/** Why an operation may not even be validated; null: it may. Variables that set a page's length do not count yet. */
export function shapeRefusal(
  operation: OperationDefinitionNode,
  cost: Cost,
  budget: RequestBudget,
  limits: QueryLimits,
): GraphQLError | null {
  if (cost.depth > maxQueryDepth) {
    const depth = Number.isFinite(cost.depth) ? `${cost.depth} fields` : 'too';
    return refusal(
      operation,
      'QUERY_TOO_DEEP',
      `the query nests ${depth} deep; at most ${maxQueryDepth} are allowed. Ask for the inner ones by id.`,
    );
  }
  if (cost.fields > budget.fields) {
    return tooComplex(
      operation,
      `the query asks for ${shown(cost.fields)} fields, fragments written out and fields with fields of their own counted ` +
        `tenfold; at most ${budget.fields} are allowed. Ask in several requests.`,
    );
  }
  if (cost.lookups > limits.lookups) {
    return tooComplex(
      operation,
      `the query asks for ${shown(cost.lookups)} fields of the schema; at most ${limits.lookups} are allowed, half more than a ` +
        'full introspection has.',
    );
  }
  if (cost.introspection > limits.introspection) {
    return tooComplex(
      operation,
      `the query asks for about ${shown(cost.introspection)} values of the schema; at most ${limits.introspection} are ` +
        'allowed, half more than a full introspection has.',
    );
  }
  return null;
}

/** Why an operation may not run; null: it may. */
export function costRefusal(
  operation: OperationDefinitionNode,
  cost: Cost,
  budget: RequestBudget,
  { pages }: QueryLimits,
): GraphQLError | null {
  if (operation.operation === 'mutation' && cost.roots > budget.mutations) {
    return tooComplex(
      operation,
      `the document has ${shown(cost.roots)} mutations; at most ${budget.mutations} are allowed. Nothing was done.`,
    );
  }
  if (cost.largestPage > pages.largest) {
    return refusal(
      operation,
      'PAGE_TOO_LARGE',
      `the query asks for a list of ${shown(cost.largestPage)} rows; at most ${pages.largest} are given at once. Ask for the ` +
        'next page with `after`.',
    );
  }
  if (cost.values > budget.values) {
    return tooComplex(
      operation,
      `the answer could have ${shown(cost.values)} values if every list is as long as it may be; at most ${budget.values} are ` +
        'allowed. Say with `first` how many rows of each list you need.',
    );
  }
  return null;
}

function tooComplex(operation: OperationDefinitionNode, message: string): GraphQLError {
  return refusal(operation, 'QUERY_TOO_COMPLEX', message);
}

function refusal(operation: OperationDefinitionNode, code: ErrorCode, message: string): GraphQLError {
  return new GraphQLError(message, { nodes: operation, extensions: { code } });
}

function shown(count: number): string {
  return Number.isFinite(count) ? String(Math.ceil(count)) : 'too many';
}
