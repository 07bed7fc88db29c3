import type { PgCodec } from 'postgraphile/@dataplan/pg';
import { GraphQLError, Kind } from 'postgraphile/graphql';
import type { ValueNode } from 'postgraphile/graphql';
import { sql } from 'postgraphile/pg-sql2';
import { fromSql, toSql } from 'pgvector';
import type { ErrorCode } from '../../errors.ts';

/** pgvector's `vector` in GraphQL: a list of floats, in and out. Postgres reports a wrong dimension. */
export const VectorCodecPlugin: GraphileConfig.Plugin = {
  name: 'VectorCodecPlugin',
  version: '1.0.0',
  gather: {
    hooks: {
      async pgCodecs_findPgCodec(info, event) {
        if (event.pgCodec || event.pgType.typname !== 'vector') return;
        const extension = await info.helpers.pgIntrospection.getExtensionByName(event.serviceName, 'vector');
        if (extension && event.pgType.typnamespace === extension.extnamespace) event.pgCodec = vectorCodec;
      },
    },
  },
  schema: {
    hooks: {
      init(value, build) {
        const codec = build.pgCodecs['vector'];
        if (!codec) return value;
        build.registerScalarType(
          'Vector',
          { pgCodec: codec },
          () => ({
            description: 'An embedding: a list of floats, as many as the column has dimensions.',
            serialize: (output: unknown) => output,
            parseValue: (input: unknown) => floats(input),
            parseLiteral: (node, variables) => floats(listOf(node, variables)),
          }),
          'the scalar of VectorCodecPlugin',
        );
        build.setGraphQLTypeForPgCodec(codec, ['input', 'output'], 'Vector');
        return value;
      },
    },
  },
};

const vectorCodec: PgCodec<'vector', undefined, string, number[], undefined, undefined, undefined> = {
  name: 'vector',
  sqlType: sql`vector`,
  fromPg: (text) => fromSql(text) as number[],
  toPg: (numbers) => toSql(numbers) ?? '',
  attributes: undefined,
  executor: null,
};

function floats(input: unknown): number[] {
  if (!Array.isArray(input)) throw badVector(`expected a list of floats, not ${JSON.stringify(input)}`);
  for (const [i, item] of input.entries()) {
    if (typeof item !== 'number' || !Number.isFinite(item)) {
      throw badVector(`item ${i} of the vector is ${JSON.stringify(item)}; expected a float`);
    }
  }
  return input as number[];
}

/** Reads a literal in the query's text, `[0.1, 0.2]`. */
function listOf(node: ValueNode, variables: Record<string, unknown> | null | undefined): unknown {
  if (node.kind !== Kind.LIST) return node.kind === Kind.STRING ? node.value : node.kind;
  return node.values.map((item) => {
    if (item.kind === Kind.INT || item.kind === Kind.FLOAT) return Number(item.value);
    if (item.kind === Kind.VARIABLE) return variables?.[item.name.value];
    return item.kind;
  });
}

function badVector(message: string): GraphQLError {
  const code: ErrorCode = 'BAD_USER_INPUT';
  return new GraphQLError(message, { extensions: { code } });
}
