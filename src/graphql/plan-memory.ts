import { GraphQLSchema } from 'postgraphile/graphql';
// Only for its types: it declares the extensions of a schema that are set below.
// oxlint-disable-next-line import/no-empty-named-blocks, unicorn/require-module-specifiers
import type {} from 'postgraphile/grafast';

/** Fields that an operation may have to be small: measured, ten lists of some columns take half a megabyte as a plan. */
const mostFieldsOfSmall = 200;

/** Operations whose plans are kept, and plans of one operation: what variables hold may ask for another. */
const ofSmall = { operationsCacheMaxLength: 500, operationOperationPlansCacheMaxLength: 4 };
const ofLarge = { operationsCacheMaxLength: 16, operationOperationPlansCacheMaxLength: 2 };

/**
 * The schema to run an operation of so many fields on: one and the same, but for the plans that grafast keeps with it. grafast
 * counts operations and not their size, and 500 of the largest that a budget allows would take a gigabyte.
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
