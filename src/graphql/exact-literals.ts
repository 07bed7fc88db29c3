import {
  Kind,
  TypeInfo,
  getNullableType,
  isListType,
  getNamedType,
  visit,
  visitWithTypeInfo,
} from 'postgraphile/graphql';
import type {
  DocumentNode,
  FloatValueNode,
  GraphQLSchema,
  IntValueNode,
  ListValueNode,
  ObjectValueNode,
  VariableDefinitionNode,
  VariableNode,
} from 'postgraphile/graphql';
import { isExactNumber, exactNumber } from '../exact-json.ts';

/** Begins the names of variables that stand for literals. No client's variable has it by accident. */
const prefix = '__lightning_number_';

/**
 * The validated document, in which variables with defaults have taken the place of the numbers in JSON that JavaScript would change: grafast
 * reads literals within objects and arrays as doubles, and defaults as their scalar does (plugins/exact-json-literals.ts). Returns the same
 * document if there is no such number.
 */
export function withExactLiterals(document: DocumentNode, schema: GraphQLSchema): DocumentNode {
  const definitions: VariableDefinitionNode[] = [];
  const hoist = (number: IntValueNode | FloatValueNode): VariableNode | undefined => {
    if (!isExactNumber(exactNumber(number.value))) return undefined;
    const variable: VariableNode = {
      kind: Kind.VARIABLE,
      name: { kind: Kind.NAME, value: `${prefix}${definitions.length}` },
    };
    const type = { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: 'JSON' } } as const;
    definitions.push({ kind: Kind.VARIABLE_DEFINITION, variable, type, defaultValue: number });
    return variable;
  };
  const typeInfo = new TypeInfo(schema);
  const inJson = (value: ObjectValueNode | ListValueNode): ObjectValueNode | ListValueNode | undefined => {
    const type = typeInfo.getInputType();
    if (!type || isListType(getNullableType(type)) || getNamedType(type).name !== 'JSON') return undefined;
    return visit(value, { IntValue: hoist, FloatValue: hoist });
  };
  const changed = visit(document, visitWithTypeInfo(typeInfo, { ObjectValue: inJson, ListValue: inJson }));
  if (definitions.length === 0) return document;
  return {
    ...changed,
    definitions: changed.definitions.map((definition) =>
      definition.kind === Kind.OPERATION_DEFINITION
        ? { ...definition, variableDefinitions: [...(definition.variableDefinitions ?? []), ...definitions] }
        : definition,
    ),
  };
}
