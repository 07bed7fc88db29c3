import {
  GraphQLError,
  Kind,
  getIntrospectionQuery,
  getOperationAST,
  parse,
  specifiedRules,
  validate,
} from 'postgraphile/graphql';
import type { DocumentNode, GraphQLSchema, OperationDefinitionNode } from 'postgraphile/graphql';
import type { ErrorCode } from '../errors.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { PageSizes, RequestBudget } from '../request-budget.ts';
import { costRefusal, maxOperations, shapeRefusal } from './cost/check-cost.ts';
import type { QueryLimits } from './cost/check-cost.ts';
import { lexicalRefusal } from './cost/lexical-limits.ts';
import { measure, schemaSizes } from './cost/measure.ts';
import type { Cost } from './cost/measure.ts';
import { filledVariables, pageSizeOf, withPages } from './cost/page-sizes.ts';
import type { PagedDocument, Variables } from './cost/page-sizes.ts';
import { maxJsonDepth, nestsDeeper } from '../too-deep.ts';
import { namedMessage } from '../refused-value.ts';
import { withExactLiterals } from './exact-literals.ts';
import { exactVariables } from './exact-variables.ts';
import { placeOfLiteral } from './refused-argument.ts';
import { variablesCost } from './cost/variables-cost.ts';
import type { GraphqlRequest } from './graphql-request.ts';

/**
 * A request whose query was parsed, validated and found within its budget; or the errors that keep it from running,
 * each with its code.
 */
export type PreparedQuery =
  | {
      readonly document: DocumentNode;
      readonly variables: Variables;
      /** Fields that it asks for, as its budget counts them. */
      readonly fields: number;
      readonly errors?: undefined;
    }
  | { readonly document?: undefined; readonly errors: readonly GraphQLError[] };

/** Prepares the request of a caller with this budget. */
export type PrepareQuery = (request: GraphqlRequest, budget: RequestBudget) => PreparedQuery;

/**
 * The most queries that are remembered, and the longest text that is: a query with literals in its text rarely comes
 * twice.
 */
const maxQueries = 500;
const maxRememberedLength = 20_000;

/** A text that is GraphQL and fits the schema. */
interface KnownQuery extends PagedDocument {
  /** The cost of each operation, without variables. */
  readonly costs: ReadonlyMap<OperationDefinitionNode, Cost>;
}

/**
 * Parses and validates each text once, and checks each request against its budget before any of it is validated, planned
 * or sent to the database. The document is the same object each time, which is how grafast finds its plans.
 */
export function makePrepareQuery(schema: GraphQLSchema, pages: PageSizes): PrepareQuery {
  const sizes = schemaSizes(schema);
  const costOf = (document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): Cost =>
    measure(schema, sizes, document, operation, (field) =>
      field === null ? pages.byDefault : pageSizeOf(field, operation, variables, pages),
    );
  const limits = { pages, ...introspectionLimits(costOf) };
  const remembered = new BoundedMap<string, KnownQuery>(maxQueries);

  const understand = (
    text: string,
    budget: RequestBudget,
  ): KnownQuery | { readonly errors: readonly GraphQLError[] } => {
    const unread = lexicalRefusal(text, budget.tokens);
    if (unread) return { errors: [unread] };
    let document: DocumentNode;
    try {
      document = parse(text);
    } catch (error) {
      if (error instanceof GraphQLError) return { errors: [withCode(error, 'GRAPHQL_PARSE_FAILED')] };
      throw error;
    }
    const refused = shapeRefusals(document, (operation) =>
      shapeRefusal(operation, costOf(document, operation, undefined), budget, limits),
    );
    if (refused.length > 0) return { errors: refused };
    const errors = validate(schema, document, specifiedRules, { maxErrors: 10 });
    if (errors.length > 0) return { errors: errors.map((error) => validationError(error, document, schema)) };
    const paged = withPages(withExactLiterals(document, schema), schema, pages);
    const costs = operationsOf(paged.document).map(
      (operation) => [operation, costOf(paged.document, operation, undefined)] as const,
    );
    return { ...paged, costs: new Map(costs) };
  };

  return ({ query, variables, operationName }, budget) => {
    if (nestsDeeper(variables, maxJsonDepth)) return { errors: [variablesTooDeep()] };
    let known = remembered.get(query);
    if (known === undefined) {
      const understood = understand(query, budget);
      if ('errors' in understood) return understood;
      known = understood;
      if (query.length <= maxRememberedLength) remembered.set(query, known);
    }
    const { document, pageVariables, sizesVary, costs } = known;
    const operation = getOperationAST(document, operationName);
    // It is unknown which operation is meant, so none will run.
    if (!operation) return { document, variables, fields: 0 };
    const exact = exactVariables(schema, operation, variables);
    const filled = filledVariables(pageVariables, operation, exact, pages);
    const cost = (sizesVary ? undefined : costs.get(operation)) ?? costOf(document, operation, filled);
    const whole = {
      ...cost,
      fields: cost.fields + variablesCost(schema, operation, exact, budget.fields),
    };
    const refused =
      shapeRefusal(operation, whole, budget, limits) ?? costRefusal(operation, whole, budget, limits);
    return refused ? { errors: [refused] } : { document, variables: filled, fields: whole.fields };
  };
}

/**
 * The cost of a full introspection, with all that GraphiQL, Apollo and graphql-codegen ask for, plus half as much
 * again.
 */
function introspectionLimits(
  costOf: (document: DocumentNode, operation: OperationDefinitionNode, variables: Variables) => Cost,
): Pick<QueryLimits, 'introspection' | 'lookups'> {
  const document = parse(
    getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    }),
  );
  const [operation] = operationsOf(document);
  if (!operation) throw new Error('the introspection query has no operation');
  const { introspection, lookups } = costOf(document, operation, undefined);
  return { introspection: Math.ceil(introspection * 1.5), lookups: Math.ceil(lookups * 1.5) };
}

function operationsOf({ definitions }: DocumentNode): OperationDefinitionNode[] {
  return definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
}

/** The refusals of all operations of a document, because all of them are validated. */
function shapeRefusals(
  document: DocumentNode,
  refusalOf: (operation: OperationDefinitionNode) => GraphQLError | null,
): GraphQLError[] {
  const operations = operationsOf(document);
  if (operations.length <= maxOperations)
    return operations.flatMap((operation) => refusalOf(operation) ?? []);
  const message = `the document has ${operations.length} operations; at most ${maxOperations} are allowed`;
  return [withCode(new GraphQLError(message), 'QUERY_TOO_COMPLEX')];
}

function variablesTooDeep(): GraphQLError {
  const message = `the variables have more than ${maxJsonDepth} arrays and objects within each other`;
  return withCode(new GraphQLError(message), 'QUERY_TOO_DEEP');
}

/**
 * The library gives up comparing fields of one name with each other, because the pairs may be as many as the square
 * of their number.
 */
function validationError(error: GraphQLError, document: DocumentNode, schema: GraphQLSchema): GraphQLError {
  if (error.message !== 'Validation aborted.') {
    const place = placeOfLiteral(schema, document, error);
    const named = namedMessage(error.message, place === null ? [] : [place]);
    const { nodes = [], extensions } = error;
    return withCode(
      place === null ? error : new GraphQLError(named, { nodes, extensions }),
      'GRAPHQL_VALIDATION_FAILED',
    );
  }
  return withCode(
    new GraphQLError('the query repeats or spreads too many fields to be checked'),
    'QUERY_TOO_COMPLEX',
  );
}

/** Adds a code, unless the rule that raised the error already gave it one. */
function withCode(error: GraphQLError, code: ErrorCode): GraphQLError {
  error.extensions['code'] ??= code;
  return error;
}
