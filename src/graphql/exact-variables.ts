import {
  getNamedType,
  isInputObjectType,
  isListType,
  isNonNullType,
  typeFromAST,
} from 'postgraphile/graphql';
import type { GraphQLInputType, GraphQLSchema, OperationDefinitionNode } from 'postgraphile/graphql';
import { isExactNumber } from '../exact-json.ts';
import type { Variables } from './cost/page-sizes.ts';

/**
 * The variables with exact numbers (src/exact-json.ts) where the type is JSON, which keeps their digits, and with numbers of JavaScript
 * everywhere else. A whole number for a bigint or a numeric becomes its text. Returns the same object if nothing changes.
 */
export function exactVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Variables,
): Variables {
  if (variables === undefined) return undefined;
  let changed: Record<string, unknown> | null = null;
  for (const { variable, type: node } of operation.variableDefinitions ?? []) {
    const name = variable.name.value;
    const value = variables[name];
    if (typeof value !== 'object' || value === null) continue;
    const type = typeFromAST(schema, node) as GraphQLInputType | undefined;
    const exact = type === undefined ? value : exactValue(value, type);
    if (exact !== value) (changed ??= { ...variables })[name] = exact;
  }
  return changed ?? variables;
}

function exactValue(value: unknown, type: GraphQLInputType): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isNonNullType(type)) return exactValue(value, type.ofType as GraphQLInputType);
  const { name } = getNamedType(type);
  if (name === 'JSON' && !isListType(type)) return value;
  if (isExactNumber(value)) return numberFor(name, value.rawJSON);
  if (Array.isArray(value))
    return exactItems(value, isListType(type) ? (type.ofType as GraphQLInputType) : type);
  if (!isInputObjectType(type)) return value;
  const fields = type.getFields();
  let changed: Record<string, unknown> | null = null;
  for (const [field, member] of Object.entries(value)) {
    const inner = fields[field]?.type;
    const exact = inner === undefined ? member : exactValue(member, inner);
    if (exact !== member) (changed ??= { ...(value as Record<string, unknown>) })[field] = exact;
  }
  return changed ?? value;
}

function exactItems(items: readonly unknown[], type: GraphQLInputType): readonly unknown[] {
  let changed: unknown[] | null = null;
  for (const [i, item] of items.entries()) {
    const exact = exactValue(item, type);
    if (exact !== item) (changed ??= [...items])[i] = exact;
  }
  return changed ?? items;
}

function numberFor(typeName: string, source: string): number | string {
  if (typeName === 'BigFloat') return source;
  return typeName === 'BigInt' && /^-?\d+$/.test(source) ? source : Number(source);
}
