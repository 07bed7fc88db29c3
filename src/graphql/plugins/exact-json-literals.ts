import { Kind } from 'postgraphile/graphql';
import type { ValueNode } from 'postgraphile/graphql';
import { exactNumber } from '../../exact-json.ts';

/** Keeps the digits of numbers in JSON that stands in the text of a query. PostGraphile reads them as doubles. */
export const ExactJsonLiteralsPlugin: GraphileConfig.Plugin = {
  name: 'ExactJsonLiteralsPlugin',
  version: '1.0.0',
  schema: {
    hooks: {
      GraphQLScalarType: (config) =>
        config.name === 'JSON' ? { ...config, parseLiteral: exactLiteral } : config,
    },
  },
};

function exactLiteral(node: ValueNode, variables?: Readonly<Record<string, unknown>> | null): unknown {
  switch (node.kind) {
    case Kind.INT:
    case Kind.FLOAT:
      return exactNumber(node.value);
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.NULL:
      return null;
    case Kind.LIST:
      return node.values.map((item) => exactLiteral(item, variables));
    case Kind.OBJECT:
      return Object.assign(
        Object.create(null) as object,
        Object.fromEntries(
          node.fields.map(({ name, value }) => [name.value, exactLiteral(value, variables)]),
        ),
      );
    case Kind.VARIABLE:
      return variables?.[node.name.value];
    case Kind.ENUM:
      return undefined;
    default:
      return node satisfies never;
  }
}
