import { isInputObjectType, isListType, isNonNullType, typeFromAST } from 'postgraphile/graphql';
import type { GraphQLInputType, GraphQLSchema, OperationDefinitionNode } from 'postgraphile/graphql';
import type { Variables } from './page-sizes.ts';

/**
 * Conditions and columns in an operation's variables: the fields of input objects, each of which the executor turns
 * into a piece of SQL. A single SQL value (JSON, an embedding, a list of ids) counts nothing, however large. Counting
 * stops beyond `enough`.
 */
export function variablesCost(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Variables,
  enough: number,
): number {
  let count = 0;
  const look = (value: unknown, type: GraphQLInputType): void => {
    if (count > enough || typeof value !== 'object' || value === null) return;
    if (isNonNullType(type)) {
      look(value, type.ofType);
    } else if (isListType(type)) {
      for (const item of Array.isArray(value) ? value : [value]) look(item, type.ofType);
    } else if (isInputObjectType(type)) {
      const fields = type.getFields();
      for (const [name, inner] of Object.entries(value)) {
        count++;
        const field = fields[name];
        if (field) look(inner, field.type);
      }
    }
  };
  for (const { variable, type: node } of operation.variableDefinitions ?? []) {
    const value = variables?.[variable.name.value];
    if (typeof value !== 'object' || value === null) continue;
    const type = typeFromAST(schema, node);
    if (type) look(value, type as GraphQLInputType);
  }
  return count;
}
