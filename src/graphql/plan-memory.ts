import { GraphQLSchema } from 'postgraphile/graphql';
// Imported only for its types: it declares the extensions of a schema that are set below.
// oxlint-disable-next-line import/no-empty-named-blocks, unicorn/require-module-specifiers
import type {} from 'postgraphile/grafast';

/** Most fields of a small operation. Measured: the plan of ten lists with a few columns each takes half a megabyte. */
const mostFieldsOfSmall = 200;

/**
 * How many operations keep their plans, and how many plans each keeps: other values of variables may need another
 * plan.
 */
const ofSmall = { operationsCacheMaxLength: 500, operationOperationPlansCacheMaxLength: 4 };
const ofLarge = { operationsCacheMaxLength: 16, operationOperationPlansCacheMaxLength: 2 };

/**
 * The schema for an operation of so many fields. Both schemas are the same, except for the plans that grafast keeps with
 * each. grafast limits operations by number and not by size, and 500 of the largest that a budget allows would take a
 * gigabyte.
 */
export function schemasByPlanSize(schema: GraphQLSchema): (fields: number) => GraphQLSchema {
  const small = withPlanMemory(schema, ofSmall);
  const large = withPlanMemory(schema, ofLarge);
  return (fields) => (fields > mostFieldsOfSmall ? large : small);
}

function withPlanMemory(schema: GraphQLSchema, limits: typeof ofSmall): GraphQLSchema {
  const { extensions, ...config } = schema.toConfig();
  return new GraphQLSchema({
    ...config,
    extensions: { ...extensions, grafast: { ...extensions.grafast, ...limits } },
    assumeValid: true,
  });
}
